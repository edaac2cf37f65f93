// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The rows of a benchmark program that measures rounds of work on one thread, and how a row is
// measured.
//
// The program adds this library's rows and its floors; a rival adds its own from its file in
// rivals/:
//
//   const RowRegistration kRegistration(timer_rows<LibevTimers>("libev"));
//
// Threads: the list is filled before main() runs rows, and constant then.
// Errors: a row whose checks fail throws, and fails its benchmark with the reason.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_ROWS_H_
#define ZMQLOOP_BENCHMARKS_ROWS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "zmqloop/threading/host/clock.h"

namespace zmqloop::bench {

struct Row {
  std::string name;  // WORKLOAD/CONTENDER, and /AXIS:VALUE for each axis
  // Measures for about so long, and reports one iteration.
  std::function<void(benchmark::State& state, Duration window)> measure;
};

class RowRegistration {
 public:
  explicit RowRegistration(std::vector<Row> rows);
};

// Runs the registered rows behind those of the program itself; returns its exit status.
int run_rows(int argc, char** argv, std::vector<Row> of_program);

// What one round of a workload did: so many operations, and what they took.
struct Round {
  std::uint64_t operations = 0;
  Duration time = {};
};

// Does one round unmeasured, then rounds until `window` of their time has passed, then one whose
// allocations are counted. Reports items_per_second, cpu_ns_per_op, allocs_per_op and ops.
void measure_rounds(benchmark::State& state, Duration window, const std::function<Round()>& round);

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_ROWS_H_
