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
// A workload runs unmeasured for a while, then for the measured window, whose length is
// --benchmark_min_time, then shortly with its allocations counted; then it ends, and its counts are
// checked. Each repetition makes it afresh. benchmarks/README.md says what is reported.
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
  // Reads the length of the window, and leaves the rest of the flags to Google Benchmark.
  Measurement(int argc, char** argv);

  // Adds a benchmark whose answer is a rate: items_per_second. `least`: a shorter window than this
  // is made so long.
  void add_rate(const std::string& name, StartWorkload start, Duration least = {});
  // Adds one whose answer is a latency: p50_ns, p99_ns, p999_ns; items_per_second too.
  void add_latency(const std::string& name, StartWorkload start);
  // Adds one whose answer is how long `operation` takes: p50_ns, p99_ns, p999_ns. It is called
  // again and again, for as long as the window.
  void add_duration(const std::string& name, std::function<void()> operation);
  // Adds one whose answer is an amount of memory: bytes. `measure` is called in a process of its
  // own, where nothing was allocated or freed before.
  void add_bytes(const std::string& name, std::function<std::uint64_t()> measure);
  // Adds one that measures by itself. Exceptions fail the benchmark.
  void add(const std::string& name, Measure measure);

  // The length of the measured window.
  Duration window() const { return window_; }

  // Runs those that the flags select; returns the program's exit status.
  int run();

 private:
  static constexpr const char* kWindowFlag = "--benchmark_min_time=";
  static constexpr const char* kDefaultWindow = "0.3";

  // A flag with the name of one of add_bytes(), for such a process: it prints the bytes alone.
  static constexpr const char* kOnlyBytesFlag = "--only-bytes-of=";

  void add_workload(const std::string& name, StartWorkload start, Duration window,
                    bool with_latency);

  std::vector<std::string> arguments_;
  Duration window_;
  std::map<std::string, std::function<std::uint64_t()>, std::less<>> bytes_of_;
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_MEASUREMENT_H_
