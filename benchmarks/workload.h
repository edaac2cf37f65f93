// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// What a scenario runs: threads that post until they are told to stop, and counts that must agree.
//
// Threads: made, asked and ended by one thread; posts_run() may be read while others run.
// Owns: its loops and threads.
// Errors: constructors throw std::system_error when loops or threads cannot be made.
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
  std::vector<int> cpus = {};              // each thread to one of them, in turn; empty: anywhere
  std::optional<Duration> idle_spin = {};  // as LoopOptions::idle_spin

  // Returns whether there are more threads than cores.
  bool is_crowded() const { return loops + producers > usable_cores(); }

  // Returns where the i-th thread is to run.
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

// What a workload did from its first post to its last.
struct Tally {
  std::uint64_t accepted = 0;
  std::uint64_t run = 0;
  std::uint64_t refused = 0;
  std::uint64_t corrupt = 0;  // run with another payload than was posted, or out of order
  double fairness = 1;        // posts of the producer that got fewest, as a part of the average
  LatencyHistogram latency = {};

  bool agrees() const { return accepted == run && refused == 0 && corrupt == 0; }
};

// Runs from its construction on. Destroying it without finish() loses posts, but not threads.
class Workload {
 public:
  Workload() = default;
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;
  virtual ~Workload() = default;

  // Returns how many posts were run so far.
  virtual std::uint64_t posts_run() const noexcept = 0;

  // Stops posting, lets everything accepted run, and ends all threads.
  virtual Tally finish() = 0;

  // Says whether the hops of posts from now on go into the latency histogram.
  void sample_latency(bool wanted) noexcept {
    // relaxed: which post is the first to be timed does not matter.
    sampling_.store(wanted, std::memory_order_relaxed);
  }

 protected:
  void request_stop() noexcept {
    // relaxed: nothing is published with it; threads look again and again.
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

  // A post carries the time it was posted, or this.
  static constexpr std::int64_t kUntimed = 0;
  static std::int64_t now() noexcept {
    return std::chrono::nanoseconds(Clock::now().time_since_epoch()).count();
  }

 private:
  // Read by all threads and written twice: on a cache line that nothing else shares.
  alignas(128) std::atomic<bool> stopped_{false};
  std::atomic<bool> sampling_{false};
};

// Returns the number of posts of the producer that made fewest, as a part of the average.
inline double fairness_among(const std::vector<std::uint64_t>& posts) {
  const auto total = static_cast<double>(std::reduce(posts.begin(), posts.end()));
  const auto fewest = static_cast<double>(*std::min_element(posts.begin(), posts.end()));
  return total > 0 ? fewest * static_cast<double>(posts.size()) / total : 1;
}

using StartedWorkload = std::unique_ptr<Workload>;

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_WORKLOAD_H_
