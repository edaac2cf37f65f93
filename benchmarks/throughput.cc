// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// How many callables per second can threads hand to event loops (posts/s), and how long does each
// take to arrive (ns per hop)?
//
// Scenarios and their floors: throughput_scenarios.cc. How they are measured: throughput_runner.h.

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include "benchmarks/atomic_file.h"
#include "benchmarks/machine_info.h"
#include "benchmarks/progress_line.h"
#include "benchmarks/throughput_flags.h"
#include "benchmarks/throughput_report.h"
#include "benchmarks/throughput_runner.h"
#include "benchmarks/throughput_scenarios.h"

#include "zmqloop/threading/host/usable_cores.h"

namespace zmqloop::bench {
namespace {

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kWrongUsage = 2;
constexpr int kInterrupted = 128 + SIGINT;

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);

// The first Ctrl-C ends the run in an orderly way; a second one ends the process.
void end_run_on_interrupt() {
  struct sigaction action = {};
  action.sa_handler = [](int) { interrupted = true; };
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigaction(SIGINT, &action, nullptr);
}

void print(const std::string& text) {
  if (std::fputs(text.c_str(), stdout) == EOF || std::fflush(stdout) == EOF) {
    throw std::runtime_error("cannot write to standard output");
  }
}

std::vector<std::string_view> scenario_names() {
  std::vector<std::string_view> names;
  for (const Scenario& scenario : all_scenarios()) names.push_back(scenario.name);
  return names;
}

int run(const ThroughputFlags& flags, std::span<const char* const> command) {
  std::optional<AtomicFile> json_file;
  if (!flags.json.empty()) json_file.emplace(flags.json);
  end_run_on_interrupt();

  ThroughputResult result;
  {
    ProgressLine progress(stderr);
    ThroughputRunner runner({.loops = flags.loops,
                             .producers = flags.producers,
                             .cpus = flags.pin ? usable_cpus() : std::vector<int>(),
                             .idle_spin = flags.idle_spin},
                            interrupted, progress);
    result = runner.run(select_scenarios(flags.scenarios),
                        to_duration(std::chrono::duration<double>(flags.seconds)));
  }
  const MachineInfo machine = describe_machine();
  print(format_table(result, machine));
  if (json_file) json_file->write(format_json(result, machine, flags, command));
  return result.interrupted ? kInterrupted : kDone;
}

int run_command(std::span<const char* const> command) {
  try {
    const ThroughputFlags flags = parse_throughput_flags(command.subspan(command.empty() ? 0 : 1),
                                                         scenario_names(), usable_cores());
    if (flags.help) {
      print(throughput_usage());
    } else if (flags.list) {
      print(format_scenario_list());
    } else {
      return run(flags, command);
    }
    return kDone;
  } catch (const FlagError& error) {
    std::fprintf(stderr, "throughput: %s\n", error.what());
    return kWrongUsage;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "throughput: %s\n", error.what());
    return kFailed;
  }
}

}  // namespace
}  // namespace zmqloop::bench

int main(int argc, char** argv) {
  return zmqloop::bench::run_command({argv, static_cast<std::size_t>(argc)});
}
