// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Runs scenarios under many seeds, each scenario in a process of its own. A failure or a crash ends
// that process; both are reported with the seed.
//
// Threads: one.
// Errors: std::system_error if the process cannot be started.

#ifndef ZMQLOOP_TESTS_SCHEDULE_RUNNER_H_
#define ZMQLOOP_TESTS_SCHEDULE_RUNNER_H_

#include <cstdint>
#include <optional>
#include <string>

#include "tests/schedule/scenario.h"
#include "tests/schedule/scheduler.h"
#include "tests/schedule/strategy.h"

namespace zmqloop::schedule {

struct Seeds {
  std::uint64_t first = 1;
  std::uint64_t count = 20'000;
  std::optional<StrategyKind> strategy = {};  // empty: random for odd seeds, PCT for even ones
  std::optional<AtomSite> broken = {};        // this operation goes wrong
  Fault fault = Fault::kRelaxed;              // in this way
};

struct Outcome {
  std::uint64_t schedules = 0;  // number run, including the failing one
  std::uint64_t steps = 0;
  std::string failure;  // the report of the first failing schedule; empty if none failed
};

// Runs the schedules of a scenario in a child process, up to the first failure.
Outcome run_seeds(const Scenario& scenario, const Seeds& seeds);

// Runs a scenario in this process and returns the places of the atomic operations it performed.
std::vector<AtomSite> atom_sites(const Scenario& scenario, const Seeds& seeds);

// Runs one schedule in this process, for use in a debugger. Ends the process if the schedule fails.
// Prints each step if `trace`.
void run_one(const Scenario& scenario, StrategyKind strategy, std::uint64_t seed, bool trace);

StrategyKind strategy_of(const Seeds& seeds, std::uint64_t seed);

// Returns the arguments that replay a schedule.
std::string replay_arguments(const Scenario& scenario, StrategyKind strategy, std::uint64_t seed);

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_RUNNER_H_
