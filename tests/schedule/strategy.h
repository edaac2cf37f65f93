// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Who runs next: all choices of a schedule, from its seed.
//
// Random: at every step, or at some, any thread that can run. PCT (Burckhardt et al., "A randomized
// scheduler with probabilistic guarantees of finding bugs", ASPLOS 2010): the thread with the
// highest of random priorities runs; at d - 1 random steps the one that runs gets the lowest. A bug
// that needs d ordered steps among k of n threads is found by one schedule in n * k^(d-1) at least;
// d and k are drawn from the seed too. A thread that yields lets the others go first.
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

  // Chooses among `candidates`, not empty, who makes the next step; `current` made the last one.
  std::size_t choose_thread(ThreadSet candidates, std::size_t current);
  // `thread` waits for others: they go first.
  void yield(std::size_t thread);

  // Whether a signal that is pending for the running thread comes now.
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
