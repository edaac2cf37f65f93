// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Registers benchmarks with Google Benchmark and measures workloads for it.
//
//   int main(int argc, char** argv) {
//     Measurement measurement(argc, argv);
//     measurement.add_rate("W1/libuv", [] { return start_it(); });
//     return measurement.run();
//   }
//
// A workload first runs unmeasured for a while, then for the measured window, whose length is
// --benchmark_min_time, then briefly while its allocations are counted. Then it ends, and its
// counts are checked. Each repetition makes a new workload. benchmarks/README.md lists the results.
//
// Threads: main.
// Errors: a workload that lost posts, or could not be started, fails its benchmark with the reason;
// the program then exits with status 1.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_MEASUREMENT_H_
#define ZMQLOOP_BENCHMARKS_MEASUREMENT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "benchmarks/workload.h"
#include <benchmark/benchmark.h>

#include "zmqloop/threading/host/clock.h"

namespace zmqloop::bench {

using StartWorkload = std::function<StartedWorkload()>;
// Reports one iteration with SetIterationTime(), and sets counters.
using Measure = std::function<void(benchmark::State& state)>;

class Measurement {
 public:
  // Reads the length of the window, and leaves all other flags to Google Benchmark.
  Measurement(int argc, char** argv);

  // Adds a benchmark whose result is a rate: items_per_second. `least` is the minimum length of its
  // window.
  void add_rate(const std::string& name, StartWorkload start, Duration least = {});
  // Adds one whose result is a latency: p50_ns, p99_ns, p999_ns; and items_per_second.
  void add_latency(const std::string& name, StartWorkload start);
  // Adds one whose result is the duration of `operation`: p50_ns, p99_ns, p999_ns. Calls it
  // repeatedly, for the length of the window.
  void add_duration(const std::string& name, std::function<void()> operation);
  // Adds one whose result is an amount of memory: bytes. Calls `measure` in a fresh process, which
  // has not allocated or freed memory before.
  void add_bytes(const std::string& name, std::function<std::uint64_t()> measure);
  // Adds one that does its own measuring. Exceptions fail the benchmark.
  void add(const std::string& name, Measure measure);

  // The length of the measured window.
  Duration window() const { return window_; }

  // Runs the benchmarks that the flags select; returns the program's exit status.
  int run();

 private:
  static constexpr const char* kWindowFlag = "--benchmark_min_time=";
  static constexpr const char* kDefaultWindow = "0.3";

  // The flag for the fresh process of add_bytes(), with the benchmark's name: the process prints
  // only the bytes.
  static constexpr const char* kOnlyBytesFlag = "--only-bytes-of=";

  void add_workload(const std::string& name, StartWorkload start, Duration window,
                    bool with_latency);

  std::vector<std::string> arguments_;
  Duration window_;
  std::map<std::string, std::function<std::uint64_t()>, std::less<>> bytes_of_;
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_MEASUREMENT_H_
