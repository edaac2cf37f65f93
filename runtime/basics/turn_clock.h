// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Decides when a turn of the loop reads the clock, and whether its time is used up.
//
// A turn of one piece of work reads no clock. A longer turn reads it after 1, 2, 4, 8 … pieces, and
// at least every 64: many short pieces cost few looks, and a long piece behind them is noticed.
//
// Threads: loop thread.
// Internal: see LoopOptions::turn_budget.

#ifndef ZMQLOOP_RUNTIME_BASICS_TURN_CLOCK_H_
#define ZMQLOOP_RUNTIME_BASICS_TURN_CLOCK_H_

#include <algorithm>
#include <cstdint>
#include <limits>

#include "zmqloop/threading/host/clock.h"

namespace zmqloop {

class TurnClock {
 public:
  // Begins a turn with more than one piece of work to do, after `pieces` of earlier turns. Looks
  // come due only until end().
  void begin(TimePoint now, std::uint64_t pieces) noexcept {
    began_ = now;
    began_after_ = pieces;
    until_look_ = 1;
  }
  void end() noexcept { until_look_ = kNever; }

  // Notes a piece of work; returns whether to look at the clock.
  bool is_due() noexcept { return --until_look_ == 0; }

  // Looks, after `pieces` of this and earlier turns; returns whether the time is used up.
  bool is_over(TimePoint now, std::uint64_t pieces, Duration budget) noexcept {
    until_look_ = static_cast<std::uint32_t>(std::min(pieces - began_after_, kMaxBetweenLooks));
    return saturating_subtract(now, began_) >= budget;
  }

 private:
  static constexpr std::uint64_t kMaxBetweenLooks = 64;
  static constexpr std::uint32_t kNever = std::numeric_limits<std::uint32_t>::max();

  TimePoint began_;
  std::uint64_t began_after_ = 0;
  std::uint32_t until_look_ = kNever;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_BASICS_TURN_CLOCK_H_
