// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/core_distance.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>

#include "benchmarks/backoff.h"
#include "benchmarks/team.h"

#include "zmqloop/threading/host/clock.h"
#include "zmqloop/threading/host/usable_cores.h"

namespace zmqloop::bench {
namespace {

constexpr std::uint64_t kHops = 200;
constexpr int kRounds = 20;

// A word that two threads increment in turn.
class Turns {
 public:
  // Increments every second count, beginning at `parity`, until `hops` is reached.
  void play(std::uint64_t parity, std::uint64_t hops) {
    for (std::uint64_t count = parity; count < hops; count += 2) {
      // acquire, release: pair with each other, as in any hand-over; no other data is published.
      for (Backoff backoff; count_.load(std::memory_order_acquire) != count;) backoff.wait();
      count_.store(count + 1, std::memory_order_release);
    }
  }

 private:
  alignas(128) std::atomic<std::uint64_t> count_{0};
};

}  // namespace

double core_distance_ns() {
  const std::vector<int> cpus = usable_cpus();
  if (cpus.size() < 2) return 0;
  Turns turns;
  double best = std::numeric_limits<double>::infinity();
  Team team(2, cpus, [&](std::size_t side) {
    for (int round = 0; round < kRounds; ++round) {
      const TimePoint begin = Clock::now();
      const std::uint64_t hops = kHops * static_cast<std::uint64_t>(round);
      turns.play(hops + side, hops + kHops);
      const std::chrono::duration<double, std::nano> length = Clock::now() - begin;
      // The first round waits for the other thread to begin.
      if (side == 0 && round > 0) best = std::min(best, length.count() / double{kHops});
    }
  });
  team.join();
  return best;
}

}  // namespace zmqloop::bench
