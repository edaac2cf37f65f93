// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The record that a timer queue keeps of each timer, beside its callable. Heap and wheel find it by
// the timer's index.
//
// Threads: one at a time.
// Internal.

#ifndef ZMQLOOP_RUNTIME_TIMERS_TIMER_RECORD_H_
#define ZMQLOOP_RUNTIME_TIMERS_TIMER_RECORD_H_

#include <cstdint>

#include "zmqloop/threading/host/clock.h"

namespace zmqloop {

struct TimerRecord {
  // No timer's index.
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  enum class Place : std::uint32_t {
    kHeap,   // position: in the heap
    kWheel,  // position: its slot; next and previous: in the slot's list
    kDue,    // position: in the snapshot
  };

  TimePoint deadline;
  // Counts up as timers are armed: the order among equal deadlines. Zero: neither armed nor due.
  std::uint64_t number;
  Place place;
  std::uint32_t position;  // of a free record: the next free one
  std::uint32_t next;
  std::uint32_t previous;
};
static_assert(sizeof(TimerRecord) == 32);  // two on a cache line

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_TIMERS_TIMER_RECORD_H_
