// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Limits the number of outstanding posts of a producer.
//
// The loop publishes its progress a few times per window, not once per post: a producer that
// watched each post would take the cache line from the loop each time, and slow it down. If the
// loop needs long to run a window, the producer sleeps meanwhile: it leaves the core to the loop,
// and adds nothing to the measured CPU time.
//
// Threads: one producer, one loop.
// Errors: none.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_POST_WINDOW_H_
#define ZMQLOOP_BENCHMARKS_POST_WINDOW_H_

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>

#include "benchmarks/backoff.h"

namespace zmqloop::bench {

class PostWindow {
 public:
  // `crowded`: there are more threads than cores, so a wait takes longer than microseconds.
  PostWindow(std::uint64_t posts, bool crowded)
      : posts_(std::max<std::uint64_t>(posts, 1)),
        sleeps_(crowded || posts_ >= kLarge),
        step_(std::bit_floor(std::max<std::uint64_t>(posts_ / (posts_ >= kLarge ? 64 : 4), 1))) {}

  // ---- producer ----

  // Waits until the post with this number, counted from 1, may be outstanding.
  void wait_for(std::uint64_t sequence) {
    if (sequence - run_seen_ <= posts_) return;
    for (Backoff backoff;; backoff.wait()) {
      // relaxed: only the loop's progress, stored in ran(); no other data is published with it.
      run_seen_ = run_.load(std::memory_order_relaxed);
      if (sequence - run_seen_ <= posts_) return;
      // relaxed: as above.
      if (sleeps_) run_.wait(run_seen_, std::memory_order_relaxed);
    }
  }

  // ---- loop ----

  void ran(std::uint64_t sequence) {
    if ((sequence & (step_ - 1)) != 0) return;
    // relaxed: as in wait_for().
    run_.store(sequence, std::memory_order_relaxed);
    if (sleeps_) run_.notify_one();
  }

 private:
  static constexpr std::uint64_t kLarge = std::uint64_t{1} << 14;

  // Constant after construction.
  const std::uint64_t posts_;
  const bool sleeps_;
  const std::uint64_t step_;

  // Producer only.
  std::uint64_t run_seen_ = 0;

  // Written by the loop only.
  alignas(128) std::atomic<std::uint64_t> run_{0};
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_POST_WINDOW_H_
