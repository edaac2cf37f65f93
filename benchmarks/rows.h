// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The rows of a benchmark program that measures rounds of work on one thread, and the measurement
// of a row.
//
// The program adds the rows of this library and of the floors. A rival adds its own rows, from its
// file in rivals/:
//
//   const RowRegistration kRegistration(timer_rows<LibevTimers>("libev"));
//
// Threads: the list is filled before main() runs rows, and constant from then on.
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
  std::string name;  // WORKLOAD/CONTENDER, then /AXIS:VALUE for each axis
  // Measures for about `window`, and reports one iteration.
  std::function<void(benchmark::State& state, Duration window)> measure;
};

class RowRegistration {
 public:
  explicit RowRegistration(std::vector<Row> rows);
};

// Runs the rows of the program itself, then the registered rows; returns the exit status.
int run_rows(int argc, char** argv, std::vector<Row> of_program);

// One round of a workload: its number of operations, and the time they took.
struct Round {
  std::uint64_t operations = 0;
  Duration time = {};
};

// Runs one round unmeasured, then rounds until their times add up to `window`, then one round with
// its allocations counted. Reports items_per_second, cpu_ns_per_op, allocs_per_op and ops.
void measure_rounds(benchmark::State& state, Duration window, const std::function<Round()>& round);

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_ROWS_H_
