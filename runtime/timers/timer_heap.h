// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A 4-ary min-heap of timers by deadline, first come first served among equals. It knows where each
// timer stands, so that any of them can be removed in place.
//
// Entries are moved along a hole, never swapped.
//
// Invariants:
//   H1  No entry is less than its parent, by (deadline, number).
//   H2  records[entry.index].position is where the entry stands.
//
// Threads: none of its own; one thread at a time.
// Owns: its array; the records are the caller's.
// Errors: reserve() throws std::bad_alloc, with nothing changed; nothing else throws.
// Internal.

#ifndef ZMQLOOP_RUNTIME_TIMERS_TIMER_HEAP_H_
#define ZMQLOOP_RUNTIME_TIMERS_TIMER_HEAP_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "zmqloop/runtime/timers/timer_record.h"
#include "zmqloop/threading/host/clock.h"

namespace zmqloop {

class TimerHeap {
 public:
  TimerHeap() = default;
  TimerHeap(const TimerHeap&) = delete;
  TimerHeap& operator=(const TimerHeap&) = delete;

  bool empty() const noexcept { return size_ == 0; }
  std::size_t size() const noexcept { return size_; }

  // Returns the earliest deadline; the heap must not be empty.
  TimePoint earliest() const noexcept { return TimePoint(Duration(entries_[0].deadline)); }
  // Returns the index of a timer with the earliest deadline, the first armed of them.
  std::uint32_t first() const noexcept { return entries_[0].index; }
  // Returns the index of the timer that is cheapest to remove.
  std::uint32_t last() const noexcept { return entries_[size_ - 1].index; }

  // Makes room for `count` entries in all.
  void reserve(std::size_t count);
  // Frees the array; the heap must be empty.
  void release() noexcept;

  // Adds a timer, by its index in `records`; there must be room.
  void push(std::uint32_t index, TimerRecord* records) noexcept;
  // Removes the timer that first() names.
  void pop(TimerRecord* records) noexcept;
  // Removes the timer at `position`.
  void remove(std::uint32_t position, TimerRecord* records) noexcept;

 private:
  struct Entry {
    std::int64_t deadline;
    std::uint64_t number;
    std::uint32_t index;

    bool operator<(const Entry& other) const noexcept;
  };

  static std::size_t parent_of(std::size_t position) { return (position - 1) / 4; }
  static std::size_t children_of(std::size_t position) { return position * 4 + 1; }

  void place(std::size_t position, const Entry& entry, TimerRecord* records) noexcept {
    entries_[position] = entry;
    records[entry.index].position = static_cast<std::uint32_t>(position);
  }
  std::size_t least_child(std::size_t first) const noexcept;
  void sift_up(std::size_t hole, const Entry& entry, TimerRecord* records) noexcept;
  void sift_down(std::size_t hole, const Entry& entry, TimerRecord* records) noexcept;

  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
  std::unique_ptr<Entry[]> entries_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_TIMERS_TIMER_HEAP_H_
