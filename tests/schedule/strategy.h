// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Makes all choices of a schedule from its seed, above all which thread runs next.
//
// Random: at every step, or at some, switches to any thread that can run.
// PCT (Burckhardt et al., "A randomized scheduler with probabilistic guarantees of finding bugs",
// ASPLOS 2010): each thread gets a random priority, and the highest one runs. At d - 1 random steps
// the running thread gets the lowest priority. If a bug needs d ordered steps among the k steps of
// n threads, at least one schedule in n * k^(d-1) finds it. The seed also decides d and k.
// In both, a thread that yields lets the others go first.
//
// Threads: none.

#ifndef ZMQLOOP_TESTS_SCHEDULE_STRATEGY_H_
#define ZMQLOOP_TESTS_SCHEDULE_STRATEGY_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "tests/schedule/atom_history.h"
#include "tests/schedule/random.h"
#include "tests/schedule/strategy_kind.h"
#include "tests/schedule/vector_clock.h"

namespace zmqloop::schedule {

// Bit i: thread i.
using ThreadSet = std::uint32_t;

class Strategy final : public StoreChoice {
 public:
  Strategy() = default;
  void begin(StrategyKind kind, std::uint64_t seed);

  void add_thread(std::size_t thread);

  // Chooses the thread for the next step among `candidates`, not empty. `current` made the last
  // step.
  std::size_t choose_thread(ThreadSet candidates, std::size_t current);
  // Lets the other threads go before `thread`, which waits for them.
  void yield(std::size_t thread);

  // Decides if the running thread's pending signal arrives now.
  bool signal_comes() { return random_.one_in(signal_odds_); }
  // Chooses a number below `count`, for scenarios.
  std::uint32_t choose(std::uint32_t count) { return random_.below(count); }
  std::size_t choose_store(std::size_t count) override;

 private:
  static constexpr std::size_t kMostChanges = 4;

  std::size_t choose_at_random(ThreadSet candidates, std::size_t current);
  std::size_t choose_by_priority(ThreadSet candidates, std::size_t current);

  StrategyKind kind_ = StrategyKind::kRandom;
  Random random_{0};
  std::uint32_t signal_odds_ = 1;
  std::uint32_t stale_odds_ = 1;  // 0: loads return the latest store
  ThreadSet yielded_ = 0;

  // Random.
  std::uint32_t switch_odds_ = 1;

  // PCT.
  std::uint32_t step_ = 0;
  std::array<std::uint32_t, kMostChanges> change_at_{};
  std::array<std::int64_t, kMostThreads> priorities_{};
  std::int64_t lowest_ = 0;
};

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_STRATEGY_H_
