// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The output of the throughput benchmark: a table for people, JSON for machines.
//
// Threads: pure functions.
// Errors: only std::bad_alloc.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_THROUGHPUT_REPORT_H_
#define ZMQLOOP_BENCHMARKS_THROUGHPUT_REPORT_H_

#include <span>
#include <string>
#include <vector>

#include "benchmarks/machine_info.h"
#include "benchmarks/throughput_flags.h"
#include "benchmarks/throughput_runner.h"

namespace zmqloop::bench {

// Returns the ratios of a scenario to its floor, round by round. Empty if it has no floor; NaN for
// a round in which either of the two measured nothing.
std::vector<double> ratios_to_floor(const ThroughputResult& result, const ScenarioResult& scenario);

// Returns the table, with notes about it below.
std::string format_table(const ThroughputResult& result, const MachineInfo& machine);

// Returns all results, including every sample, as a JSON document.
std::string format_json(const ThroughputResult& result, const MachineInfo& machine,
                        const ThroughputFlags& flags, std::span<const char* const> command);

// Returns one line for each scenario: its name and its question.
std::string format_scenario_list();

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_THROUGHPUT_REPORT_H_
