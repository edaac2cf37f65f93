// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The work of a scenario: threads that post until a stop is requested, and counts that must agree.
//
// Threads: one thread makes, queries and ends a workload; it may call posts_run() while the
// workload's own threads run.
// Owns: its loops and threads.
// Errors: constructors throw std::system_error if loops or threads cannot be made.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_WORKLOAD_H_
#define ZMQLOOP_BENCHMARKS_WORKLOAD_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <vector>

#include "benchmarks/latency_histogram.h"

#include "zmqloop/threading/host/clock.h"
#include "zmqloop/threading/host/usable_cores.h"

namespace zmqloop::bench {

struct WorkloadOptions {
  std::size_t loops = 1;
  std::size_t producers = 1;
  std::vector<int> cpus = {};              // one per thread, in turn; if empty, any
  std::optional<Duration> idle_spin = {};  // as LoopOptions::idle_spin

  // Returns whether there are more threads than cores.
  bool is_crowded() const { return loops + producers > usable_cores(); }

  // Returns the CPU of the i-th thread.
  std::optional<int> cpu_of(std::size_t i) const {
    return cpus.empty() ? std::nullopt : std::optional(cpus[i % cpus.size()]);
  }
  // Returns the CPUs for the threads that come after the loops' own.
  std::vector<int> after_loops() const {
    std::vector<int> rest = cpus;
    const std::size_t first = rest.empty() ? 0 : loops % rest.size();
    std::rotate(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(first), rest.end());
    return rest;
  }
};

// The counts of a workload, from its first post to its last.
struct Tally {
  std::uint64_t accepted = 0;
  std::uint64_t run = 0;
  std::uint64_t refused = 0;
  std::uint64_t corrupt = 0;  // run with a wrong payload, or out of order
  double fairness = 1;        // posts of the slowest producer / posts per producer on average
  LatencyHistogram latency = {};

  bool agrees() const { return accepted == run && refused == 0 && corrupt == 0; }
};

// Runs from its construction on. Destroying it without finish() loses posts, but leaks no threads.
class Workload {
 public:
  Workload() = default;
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;
  virtual ~Workload() = default;

  // Returns the number of posts run so far.
  virtual std::uint64_t posts_run() const noexcept = 0;

  // Stops posting, lets all accepted posts run, and ends all threads.
  virtual Tally finish() = 0;

  // Turns the recording of hops in the latency histogram on or off, for posts from now on.
  void sample_latency(bool wanted) noexcept {
    // relaxed: it does not matter which post is the first to be timed.
    sampling_.store(wanted, std::memory_order_relaxed);
  }

 protected:
  void request_stop() noexcept {
    // relaxed: nothing is published with it; threads read it again and again, in stopped().
    stopped_.store(true, std::memory_order_relaxed);
  }
  bool stopped() const noexcept {
    // relaxed: as in request_stop().
    return stopped_.load(std::memory_order_relaxed);
  }
  bool sampling() const noexcept {
    // relaxed: as in sample_latency().
    return sampling_.load(std::memory_order_relaxed);
  }

  // A post carries the time it was posted; or this value, if it is not timed.
  static constexpr std::int64_t kUntimed = 0;
  static std::int64_t now() noexcept {
    return std::chrono::nanoseconds(Clock::now().time_since_epoch()).count();
  }

 private:
  // Read by all threads but rarely written: on a cache line of their own.
  alignas(128) std::atomic<bool> stopped_{false};
  std::atomic<bool> sampling_{false};
};

// Returns the posts of the slowest producer, as a fraction of the average per producer.
inline double fairness_among(const std::vector<std::uint64_t>& posts) {
  const auto total = static_cast<double>(std::reduce(posts.begin(), posts.end()));
  const auto fewest = static_cast<double>(*std::min_element(posts.begin(), posts.end()));
  return total > 0 ? fewest * static_cast<double>(posts.size()) / total : 1;
}

using StartedWorkload = std::unique_ptr<Workload>;

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_WORKLOAD_H_
