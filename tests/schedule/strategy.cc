// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/schedule/strategy.h"

#include <bit>

namespace zmqloop::schedule {

void Strategy::begin(StrategyKind kind, std::uint64_t seed) {
  constexpr std::uint32_t kFewestSteps = 16;
  kind_ = kind;
  random_ = Random(seed);
  signal_odds_ = 1u << random_.below(6);
  stale_odds_ = std::array{0u, 2u, 2u, 8u}[random_.below(4)];
  yielded_ = 0;
  switch_odds_ = 1u << random_.below(4);
  step_ = 0;
  lowest_ = 0;
  const std::uint32_t steps = kFewestSteps << random_.below(7);
  const std::uint32_t changes = 1 + random_.below(kMostChanges);
  for (std::size_t i = 0; i < kMostChanges; ++i) {
    change_at_[i] = i < changes ? 1 + random_.below(steps) : 0;
  }
}

void Strategy::add_thread(std::size_t thread) {
  priorities_[thread] = static_cast<std::int64_t>(random_.next() >> 2);
}

std::size_t Strategy::choose_thread(ThreadSet candidates, std::size_t current) {
  return kind_ == StrategyKind::kRandom ? choose_at_random(candidates, current)
                                        : choose_by_priority(candidates, current);
}

std::size_t Strategy::choose_at_random(ThreadSet candidates, std::size_t current) {
  const ThreadSet here = ThreadSet{1} << current;
  ThreadSet eager = candidates & ~yielded_;
  if (eager == 0) eager = candidates;
  std::size_t chosen = current;
  if ((eager & here) == 0 || random_.one_in(switch_odds_)) {
    ThreadSet rest = eager;
    for (auto skip = random_.below(static_cast<std::uint32_t>(std::popcount(eager))); skip != 0;
         --skip) {
      rest &= rest - 1;
    }
    chosen = static_cast<std::size_t>(std::countr_zero(rest));
  }
  // The other threads that yielded have now waited for one step.
  yielded_ &= ThreadSet{1} << chosen;
  return chosen;
}

std::size_t Strategy::choose_by_priority(ThreadSet candidates, std::size_t current) {
  ++step_;
  for (const std::uint32_t change : change_at_) {
    if (change == step_) priorities_[current] = --lowest_;
  }
  std::size_t chosen = kMostThreads;
  for (ThreadSet rest = candidates; rest != 0; rest &= rest - 1) {
    const auto thread = static_cast<std::size_t>(std::countr_zero(rest));
    if (chosen == kMostThreads || priorities_[thread] > priorities_[chosen]) chosen = thread;
  }
  return chosen;
}

void Strategy::yield(std::size_t thread) {
  yielded_ |= ThreadSet{1} << thread;
  priorities_[thread] = --lowest_;
}

std::size_t Strategy::choose_store(std::size_t count) {
  if (stale_odds_ == 0 || !random_.one_in(stale_odds_)) return 0;
  return random_.below(static_cast<std::uint32_t>(count));
}

}  // namespace zmqloop::schedule
