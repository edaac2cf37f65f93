// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// What the throughput benchmark prints: a table for people, JSON for machines.
//
// Threads: pure functions.
// Errors: none but std::bad_alloc.
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

// Returns how a scenario compares with its floor, round by round; empty without a floor, NaN where
// either measured nothing.
std::vector<double> ratios_to_floor(const ThroughputResult& result, const ScenarioResult& scenario);

// Returns the table, with what to know about it below.
std::string format_table(const ThroughputResult& result, const MachineInfo& machine);

// Returns everything measured, all samples included, as a JSON document.
std::string format_json(const ThroughputResult& result, const MachineInfo& machine,
                        const ThroughputFlags& flags, std::span<const char* const> command);

// Returns the names of all scenarios and what they ask, a line each.
std::string format_scenario_list();

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_THROUGHPUT_REPORT_H_
