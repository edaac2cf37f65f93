// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/measurement.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>

#include "benchmarks/child_process.h"
#include "benchmarks/core_distance.h"
#include "benchmarks/latency_histogram.h"
#include "benchmarks/malloc_counter.h"
#include "benchmarks/process_usage.h"
#include "benchmarks/snapshot.h"

namespace zmqloop::bench {
namespace {

// Set when a benchmark failed; Google Benchmark itself only prints failures.
std::atomic<bool> failed{false};

constexpr int kWarmUpPart = 2;         // warm-up time: window / kWarmUpPart
constexpr int kCountMallocsPart = 10;  // the time afterwards: window / this

// The results of one run of a workload.
struct Outcome {
  Span window = {};
  double core_distance_ns = 0;  // the larger of two: before and after
  double mallocs_per_op = 0;
  Tally tally = {};
};

Outcome run_workload(const StartWorkload& start, Duration window, bool with_latency) {
  Outcome outcome;
  const double distance_before = core_distance_ns();
  const StartedWorkload workload = start();
  std::this_thread::sleep_for(window / kWarmUpPart);
  workload->sample_latency(with_latency);
  const Snapshot before(*workload);
  std::this_thread::sleep_for(window);
  const Snapshot after(*workload);
  workload->sample_latency(false);
  outcome.window = after - before;
  {
    const MallocCounter mallocs;
    const Snapshot counted_from(*workload);
    std::this_thread::sleep_for(window / kCountMallocsPart);
    const double posts = (Snapshot(*workload) - counted_from).posts;
    if (posts > 0) outcome.mallocs_per_op = static_cast<double>(mallocs.count()) / posts;
  }
  outcome.tally = workload->finish();
  outcome.core_distance_ns = std::max(distance_before, core_distance_ns());
  return outcome;
}

void require_agreement(const Tally& tally) {
  if (tally.agrees()) return;
  throw std::runtime_error(std::to_string(tally.accepted) + " posts accepted, " +
                           std::to_string(tally.run) + " run, " + std::to_string(tally.refused) +
                           " refused, " + std::to_string(tally.corrupt) +
                           " corrupt or out of order");
}

void report_percentiles(benchmark::State& state, const LatencyHistogram& durations) {
  state.counters["p50_ns"] = static_cast<double>(durations.percentile(0.5));
  state.counters["p99_ns"] = static_cast<double>(durations.percentile(0.99));
  state.counters["p999_ns"] = static_cast<double>(durations.percentile(0.999));
}

void report(benchmark::State& state, const Outcome& outcome, bool with_latency) {
  const Span& window = outcome.window;
  if (window.posts <= 0) throw std::runtime_error("nothing was run in the measured window");
  state.SetIterationTime(window.seconds);
  state.counters["items_per_second"] = window.posts / window.seconds;
  state.counters["cpu_ns_per_op"] = window.cpu_ns / window.posts;
  state.counters["allocs_per_op"] = outcome.mallocs_per_op;
  if (outcome.tally.fairness < 1) state.counters["fairness"] = outcome.tally.fairness;
  state.counters["core_distance_ns"] = outcome.core_distance_ns;
  state.counters["ops"] = static_cast<double>(outcome.tally.run);
  if (with_latency) report_percentiles(state, outcome.tally.latency);
}

}  // namespace

Measurement::Measurement(int argc, char** argv) : arguments_(argv, argv + argc) {
  // We parse the flag ourselves: Google Benchmark does not expose its value.
  std::string window;
  for (const std::string& argument : arguments_) {
    if (argument.starts_with(kWindowFlag)) {
      window = argument.substr(std::string_view(kWindowFlag).size());
    }
  }
  if (window.empty()) {
    window = kDefaultWindow;
    arguments_.push_back(kWindowFlag + window);
  }
  window_ = std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(std::strtod(window.c_str(), nullptr)));
}

void Measurement::add_rate(const std::string& name, StartWorkload start, Duration least) {
  add_workload(name, std::move(start), std::max(window_, least), false);
}

void Measurement::add_latency(const std::string& name, StartWorkload start) {
  add_workload(name, std::move(start), window_, true);
}

void Measurement::add_workload(const std::string& name, StartWorkload start, Duration window,
                               bool with_latency) {
  add(name, [start = std::move(start), window, with_latency](benchmark::State& state) {
    const Outcome outcome = run_workload(start, window, with_latency);
    require_agreement(outcome.tally);
    report(state, outcome, with_latency);
  });
}

void Measurement::add_duration(const std::string& name, std::function<void()> operation) {
  add(name, [operation = std::move(operation), window = window_](benchmark::State& state) {
    for (TimePoint end = Clock::now() + window / kWarmUpPart; Clock::now() < end;) operation();
    LatencyHistogram durations;
    const double cpu_before = process_cpu_ns();
    const TimePoint begin = Clock::now();
    for (TimePoint from = begin; from - begin < window;) {
      operation();
      const TimePoint to = Clock::now();
      durations.record(std::chrono::nanoseconds(to - from).count());
      from = to;
    }
    const auto count = static_cast<double>(durations.count());
    state.SetIterationTime(std::chrono::duration<double>(Clock::now() - begin).count());
    state.counters["cpu_ns_per_op"] = (process_cpu_ns() - cpu_before) / count;
    report_percentiles(state, durations);
  });
}

void Measurement::add_bytes(const std::string& name, std::function<std::uint64_t()> measure) {
  bytes_of_[name] = std::move(measure);
  add(name, [name](benchmark::State& state) {
    const TimePoint begin = Clock::now();
    state.counters["bytes"] = std::stod(run_self(kOnlyBytesFlag + name));
    state.SetIterationTime(std::chrono::duration<double>(Clock::now() - begin).count());
  });
}

void Measurement::add(const std::string& name, Measure measure) {
  benchmark::RegisterBenchmark(name.c_str(), [measure =
                                                  std::move(measure)](benchmark::State& state) {
    for (auto _ : state) {
      try {
        measure(state);
      } catch (const std::exception& error) {
        failed = true;
        state.SkipWithError(error.what());
        break;
      }
    }
  })->UseManualTime();
}

int Measurement::run() {
  for (const std::string_view argument : arguments_) {
    if (!argument.starts_with(kOnlyBytesFlag)) continue;
    std::printf("%" PRIu64 "\n",
                bytes_of_.at(std::string(argument.substr(std::strlen(kOnlyBytesFlag))))());
    return EXIT_SUCCESS;
  }
  std::vector<char*> arguments;
  for (std::string& argument : arguments_) arguments.push_back(argument.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return EXIT_FAILURE;
  benchmark::RunSpecifiedBenchmarks();
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

}  // namespace zmqloop::bench
