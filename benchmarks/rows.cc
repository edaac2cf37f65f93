// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/rows.h"

#include <chrono>
#include <utility>

#include "benchmarks/malloc_counter.h"
#include "benchmarks/measurement.h"
#include "benchmarks/snapshot.h"

namespace zmqloop::bench {
namespace {

std::vector<Row>& registered_rows() {
  static std::vector<Row> rows;
  return rows;
}

}  // namespace

RowRegistration::RowRegistration(std::vector<Row> rows) {
  for (Row& row : rows) registered_rows().push_back(std::move(row));
}

int run_rows(int argc, char** argv, std::vector<Row> of_program) {
  Measurement measurement(argc, argv);
  const auto add = [&measurement](const Row& row) {
    measurement.add(row.name, [row, window = measurement.window()](benchmark::State& state) {
      row.measure(state, window);
    });
  };
  for (const Row& row : of_program) add(row);
  for (const Row& row : registered_rows()) add(row);
  return measurement.run();
}

void measure_rounds(benchmark::State& state, Duration window, const std::function<Round()>& round) {
  std::uint64_t all = round().operations;
  Round measured;
  const double cpu_before = process_cpu_ns();
  while (measured.time < window) {
    const Round last = round();
    measured.operations += last.operations;
    measured.time += last.time;
  }
  const double cpu_ns = process_cpu_ns() - cpu_before;
  double allocations_per_op = 0;
  {
    const MallocCounter mallocs;
    const Round counted = round();
    all += counted.operations;
    allocations_per_op =
        static_cast<double>(mallocs.count()) / static_cast<double>(counted.operations);
  }
  const auto operations = static_cast<double>(measured.operations);
  const double seconds = std::chrono::duration<double>(measured.time).count();
  state.SetIterationTime(seconds);
  state.counters["items_per_second"] = operations / seconds;
  state.counters["cpu_ns_per_op"] = cpu_ns / operations;
  state.counters["allocs_per_op"] = allocations_per_op;
  state.counters["ops"] = operations + static_cast<double>(all);
}

}  // namespace zmqloop::bench
