// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Runs scenarios in interleaved rounds and collects the results of each round.
//
// A round runs each scenario once for the same length of time. So a disturbance of the machine
// slows a scenario and its floor alike; their ratio is taken round by round. Before the first round
// each scenario runs briefly without being measured. The first tenth of each later run is not
// measured either.
//
// Threads: one.
// Errors: CountError if a scenario's counts disagree; std::system_error from starting a scenario.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_THROUGHPUT_RUNNER_H_
#define ZMQLOOP_BENCHMARKS_THROUGHPUT_RUNNER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "benchmarks/progress_line.h"
#include "benchmarks/throughput_scenarios.h"
#include "benchmarks/workload.h"

#include "zmqloop/threading/host/clock.h"

namespace zmqloop::bench {

// The results of one scenario in one round. NaN if nothing was run.
struct Sample {
  double posts_per_second;
  double cpu_ns_per_post;  // of all threads together
  double hop_p50_ns;
  double hop_p99_ns;
  double hop_p999_ns;
};

struct ScenarioResult {
  const Scenario* scenario;
  std::vector<Sample> samples = {};  // one per round
  std::uint64_t posts_accepted = 0;  // of all rounds, warm-ups included
  std::uint64_t posts_run = 0;       // likewise
  std::uint64_t hops_timed = 0;
};

struct ThroughputResult {
  std::vector<ScenarioResult> scenarios;
  std::size_t rounds = 0;  // planned
  Duration run_length = {};
  bool interrupted = false;
};

class CountError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class ThroughputRunner {
 public:
  // A signal handler may set `interrupted`: run() then returns soon.
  ThroughputRunner(const WorkloadOptions& options, const std::atomic<bool>& interrupted,
                   ProgressLine& progress)
      : options_(options), interrupted_(interrupted), progress_(progress) {}

  // Measures for about `total`, all scenarios together.
  ThroughputResult run(const std::vector<const Scenario*>& scenarios, Duration total);

 private:
  bool measure(ScenarioResult& result, Duration length, bool keep);
  // Waits for `length`. Returns false if interrupted.
  bool wait(const Scenario& scenario, Duration length);

  const WorkloadOptions options_;
  const std::atomic<bool>& interrupted_;
  ProgressLine& progress_;
  Duration planned_ = {};
  Duration waited_ = {};
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_THROUGHPUT_RUNNER_H_
