// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/throughput_runner.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <string>
#include <thread>

#include "benchmarks/snapshot.h"

namespace zmqloop::bench {
namespace {

constexpr std::size_t kFewestRounds = 5;
constexpr std::size_t kMostRounds = 51;
constexpr int kWarmUpPart = 4;   // warm-up before the rounds: a run's length / this
constexpr int kUnmeasured = 10;  // beginning of a run: its length / this
// The interval at which we check for an interruption.
constexpr Duration kLook = std::chrono::milliseconds(20);

// Returns the number of rounds of about a tenth of a second, between the two limits above.
std::size_t rounds_for(std::size_t scenarios, Duration total) {
  constexpr Duration kComfortable = std::chrono::milliseconds(100);
  const auto fitting = total / (kComfortable * std::max<std::size_t>(scenarios, 1));
  return std::clamp(static_cast<std::size_t>(fitting), kFewestRounds, kMostRounds);
}

Sample make_sample(const Span& span, const LatencyHistogram& latency) {
  constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
  const auto percentile = [&latency](double fraction) {
    return latency.count() == 0 ? kNothing : static_cast<double>(latency.percentile(fraction));
  };
  return {.posts_per_second = span.posts > 0 ? span.posts / span.seconds : kNothing,
          .cpu_ns_per_post = span.posts > 0 ? span.cpu_ns / span.posts : kNothing,
          .hop_p50_ns = percentile(0.5),
          .hop_p99_ns = percentile(0.99),
          .hop_p999_ns = percentile(0.999)};
}

void require_agreement(const Scenario& scenario, const Tally& tally) {
  if (tally.agrees()) return;
  throw CountError(std::string(scenario.name) + ": " + std::to_string(tally.accepted) +
                   " posts accepted, " + std::to_string(tally.run) + " run, " +
                   std::to_string(tally.refused) + " refused, " + std::to_string(tally.corrupt) +
                   " corrupt or out of order: the library lost or damaged posts; please report it");
}

}  // namespace

ThroughputResult ThroughputRunner::run(const std::vector<const Scenario*>& scenarios,
                                       Duration total) {
  ThroughputResult result;
  for (const Scenario* scenario : scenarios) result.scenarios.push_back({.scenario = scenario});
  result.rounds = rounds_for(scenarios.size(), total);
  const auto runs = static_cast<Duration::rep>(scenarios.size());
  const auto rounds = static_cast<Duration::rep>(result.rounds);
  result.run_length =
      total * kWarmUpPart / (std::max<Duration::rep>(runs, 1) * (rounds * kWarmUpPart + 1));
  planned_ = total;
  waited_ = {};

  const auto run_round = [this, &result](Duration length, bool keep) {
    return std::all_of(result.scenarios.begin(), result.scenarios.end(),
                       [&](ScenarioResult& scenario) { return measure(scenario, length, keep); });
  };
  bool whole = run_round(result.run_length / kWarmUpPart, false);
  for (std::size_t round = 0; whole && round < result.rounds; ++round) {
    whole = run_round(result.run_length, true);
  }
  result.interrupted = !whole;
  progress_.clear();
  return result;
}

bool ThroughputRunner::measure(ScenarioResult& result, Duration length, bool keep) {
  const Scenario& scenario = *result.scenario;
  const std::unique_ptr<Workload> workload = scenario.start(options_);
  const Duration unmeasured = length / kUnmeasured;
  bool whole = wait(scenario, unmeasured);
  workload->sample_latency(true);
  const Snapshot before(*workload);
  whole = whole && wait(scenario, length - unmeasured);
  const Snapshot after(*workload);
  workload->sample_latency(false);

  const Tally tally = workload->finish();
  require_agreement(scenario, tally);
  result.posts_accepted += tally.accepted;
  result.posts_run += tally.run;
  if (whole && keep) {
    result.samples.push_back(make_sample(after - before, tally.latency));
    result.hops_timed += tally.latency.count();
  }
  return whole;
}

bool ThroughputRunner::wait(const Scenario& scenario, Duration length) {
  const TimePoint end = Clock::now() + length;
  for (Duration left = length; left > Duration::zero(); left = end - Clock::now()) {
    if (interrupted_) return false;
    const Duration done = waited_ + length - left;
    progress_.show(scenario.name,
                   std::chrono::duration<double>(done) / std::chrono::duration<double>(planned_),
                   planned_ - done);
    std::this_thread::sleep_for(std::min(left, kLook));
  }
  waited_ += length;
  return !interrupted_;
}

}  // namespace zmqloop::bench
