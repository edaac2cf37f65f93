// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Breaks every atomic operation of threading/ in turn: makes its memory order relaxed, or splits a
// read-modify-write into two steps. Some scenario must fail, or the operation is stronger than
// necessary.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "tests/schedule/command_line.h"
#include "tests/schedule/runner.h"
#include "tests/schedule/scenario.h"

namespace zmqloop::schedule {
namespace {

struct NotNeeded {
  std::string_view function;
  Fault fault;
};
// No scenario fails without these. That proves nothing: the code gives the argument at each.
constexpr NotNeeded kNotNeeded[] = {{"Claim::take", Fault::kRelaxed},
                                    {"ControlWord::call", Fault::kRelaxed},
                                    {"ControlWord::clear_called", Fault::kRelaxed},
                                    {"SegmentBag::keep_at_most", Fault::kRelaxed},
                                    {"SegmentBag::put", Fault::kTorn}};

// A broken operation, and the first schedule that found it.
struct Trial {
  AtomSite site;
  Fault fault;
  const Scenario* scenario = nullptr;
  std::uint64_t seed = 0;

  bool is_needed() const {
    const std::string function = function_name(site.where);
    return std::none_of(std::begin(kNotNeeded), std::end(kNotNeeded), [&](const NotNeeded& known) {
      return known.function == function && known.fault == fault;
    });
  }
};

const char* name_of(std::memory_order order) {
  return order == std::memory_order_acquire   ? "acquire"
         : order == std::memory_order_release ? "release"
         : order == std::memory_order_acq_rel ? "acq_rel"
                                              : "seq_cst";
}

// All operations in threading/ that the scenarios perform, in source order.
std::vector<AtomSite> all_sites() {
  constexpr std::uint64_t kSchedules = 100;
  std::vector<AtomSite> all;
  for (const Scenario& scenario : scenarios()) {
    for (const AtomSite& site : atom_sites(scenario, {.count = kSchedules})) {
      const bool is_known = std::any_of(
          all.begin(), all.end(), [&site](const AtomSite& known) { return known.is(site.where); });
      if (!is_known && std::strstr(site.where.file_name(), "/threading/") != nullptr) {
        all.push_back(site);
      }
    }
  }
  std::sort(all.begin(), all.end(), [](const AtomSite& a, const AtomSite& b) {
    const int files = std::strcmp(a.where.file_name(), b.where.file_name());
    return files != 0 ? files < 0 : a.where.line() < b.where.line();
  });
  return all;
}

std::vector<Trial> all_trials() {
  std::vector<Trial> trials;
  for (const AtomSite& site : all_sites()) {
    if (site.order != std::memory_order_relaxed) trials.push_back({site, Fault::kRelaxed});
    if (site.is_update) trials.push_back({site, Fault::kTorn});
  }
  return trials;
}

// Finds the first scenario that fails. Tries a few schedules of each first, as most breaks show at
// once.
void run_trial(Trial& trial, Seeds seeds) {
  const std::uint64_t end = seeds.first + seeds.count;
  seeds.broken = trial.site;
  seeds.fault = trial.fault;
  for (std::uint64_t count = 10; seeds.first != end; seeds.first += seeds.count, count *= 10) {
    seeds.count = std::min(count, end - seeds.first);
    for (const Scenario& scenario : scenarios()) {
      const Outcome outcome = run_seeds(scenario, seeds);
      if (outcome.failure.empty()) continue;
      trial.scenario = &scenario;
      trial.seed = seeds.first + outcome.schedules - 1;
      return;
    }
  }
}

void print(const Trial& trial) {
  std::printf("%s:%-4u %-28s %-7s ", file_name(trial.site.where), trial.site.where.line(),
              function_name(trial.site.where).c_str(),
              trial.fault == Fault::kTorn ? "in two" : name_of(trial.site.order));
  if (trial.scenario != nullptr) {
    std::printf("%s, seed %llu%s\n", trial.scenario->name.data(),
                static_cast<unsigned long long>(trial.seed),
                trial.is_needed() ? "" : ", but is listed as not needed");
  } else {
    std::printf("%s\n", trial.is_needed() ? "SURVIVES" : "not noticed, as argued there");
  }
  std::fflush(stdout);
}

int run(const CommandLine& line) {
  std::vector<Trial> trials = all_trials();
  int wrong = 0;
  for (Trial& trial : trials) {
    run_trial(trial, line.seeds);
    print(trial);
    if ((trial.scenario != nullptr) != trial.is_needed()) ++wrong;
  }
  std::printf("%zu operations broken, %d not as expected\n", trials.size(), wrong);
  return wrong == 0 && !trials.empty() ? 0 : 1;
}

}  // namespace
}  // namespace zmqloop::schedule

int main(int argc, char** argv) {
  return zmqloop::schedule::run(zmqloop::schedule::parse_command_line(argc, argv));
}
