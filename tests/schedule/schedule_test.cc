// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Runs the scenarios on the library's code as shipped: none may fail.
#include <chrono>
#include <cstdint>
#include <cstdio>

#include "tests/schedule/command_line.h"
#include "tests/schedule/runner.h"
#include "tests/schedule/scenario.h"

namespace zmqloop::schedule {
namespace {

// Without --schedules each scenario gets kSchedules. Those in kInDepth get kSchedulesInDepth: there
// order, sleep, close and signals meet in windows that few schedules hit.
constexpr std::uint64_t kSchedules = 4'000;
constexpr std::uint64_t kSchedulesInDepth = 20'000;
constexpr const char* kInDepth[] = {
    "churning_threads",
    "first_posts",
    "hand_over",
    "last_callback_ends_loop",
    "order_past_a_straggler",
    "post_against_close",
    "post_against_sleep",
    "raise_against_close",
    "raises",
    "release_against_close",
    "reservations",
    "segments",
    "signal_interrupts_post",
    "signal_post_against_close",
    "signal_slots_full",
    "stop_against_sleep",
    "trimming",
    "two_doorbells",
};

Seeds seeds_for(const Scenario& scenario, const CommandLine& line) {
  Seeds seeds = line.seeds;
  if (!line.schedules) {
    seeds.count = kSchedules;
    for (const char* const name : kInDepth) {
      if (&scenario_named(name) == &scenario) seeds.count = kSchedulesInDepth;
    }
  }
  return seeds;
}

void list() {
  for (const Scenario& scenario : scenarios()) {
    std::printf("%-26s %s (%s)\n", scenario.name.data(), scenario.promise.data(),
                scenario.ids.data());
  }
}

int run_all(const CommandLine& line) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  std::uint64_t schedules = 0;
  int failed = 0;
  for (const Scenario& scenario : scenarios()) {
    if (!line.scenario.empty() && scenario.name != line.scenario) continue;
    const Outcome outcome = run_seeds(scenario, seeds_for(scenario, line));
    schedules += outcome.schedules;
    std::printf("%-26s %8llu schedules %6.1f steps each  %s\n", scenario.name.data(),
                static_cast<unsigned long long>(outcome.schedules),
                static_cast<double>(outcome.steps) / static_cast<double>(outcome.schedules),
                outcome.failure.empty() ? "ok" : "FAILED");
    if (!outcome.failure.empty()) {
      ++failed;
      std::fputs(outcome.failure.c_str(), stdout);
    }
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  std::printf("%llu schedules in %.1f s, %.0f schedules/s, %d scenarios failed\n",
              static_cast<unsigned long long>(schedules), seconds,
              static_cast<double>(schedules) / seconds, failed);
  return failed == 0 && schedules != 0 ? 0 : 1;
}

int run(const CommandLine& line) {
  if (line.list) {
    list();
    return 0;
  }
  if (!line.scenario.empty()) scenario_named(line.scenario);
  return line.seed ? run_seed(line) : run_all(line);
}

}  // namespace
}  // namespace zmqloop::schedule

int main(int argc, char** argv) {
  return zmqloop::schedule::run(zmqloop::schedule::parse_command_line(argc, argv));
}
