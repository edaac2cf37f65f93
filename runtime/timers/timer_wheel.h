// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A hierarchical wheel of timers that are not due for a while. They are linked into its slots in no
// order, so that arming or cancelling one takes a few stores, however many there are.
//
// Time is cut into ticks of 131 us. The wheel stands at a tick. To find a timer's slot, we compare
// its tick with the wheel's, in digits to base 64, and take the highest digit that differs: its
// place is the level of the slot, its value the slot. So the slots of a level follow each other in
// time, and those of a lower level come before those of a higher. When the wheel moves into a
// slot's range of ticks, the slot's timers now differ in a lower digit: they are linked again, a
// level or more down. Timers whose tick has come leave the wheel. A timer that fires is linked
// eight times at most; one that is cancelled before its time comes near, only once.
//
// Invariants:
//   W1  Every timer in the wheel has a later tick than the wheel, and stands in the slot that the
//       two ticks determine.
//   W2  A bit of occupied_ is set if and only if the slot's list is not empty, and a bit of levels_
//       if and only if one of the level's is.
//   W3  The wheel only moves forward, and past no slot that is occupied.
//
// Threads: none of its own and no clock; one thread at a time.
// Owns: the heads of its lists; the links are in the caller's records.
// Errors: open() throws std::bad_alloc; nothing else throws.
// Internal.

#ifndef ZMQLOOP_RUNTIME_TIMERS_TIMER_WHEEL_H_
#define ZMQLOOP_RUNTIME_TIMERS_TIMER_WHEEL_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "zmqloop/runtime/timers/timer_record.h"
#include "zmqloop/threading/host/clock.h"
#include "zmqloop/threading/host/export.h"

namespace zmqloop {

class TimerWheel {
 public:
  // Makes the slots: before the first add(), and after close().
  void open() {
    if (slots_ == nullptr) slots_.reset(new Slots);  // which leaves them unwritten
  }
  // Gives the slots' memory back; the wheel must be empty.
  void close() noexcept { slots_.reset(); }

  // Returns whether no timer in here ever becomes due; timers at TimePoint::max() may be left.
  bool empty() const noexcept { return (levels_ & kTimedLevels) == 0; }

  // Returns whether a deadline lies so far ahead that it belongs in here.
  bool takes(TimePoint deadline) const noexcept {
    return tick_of(deadline) > tick_ || deadline == TimePoint::max();
  }
  // Adds and removes a timer, by its index in `records`.
  void add(std::uint32_t index, TimerRecord* records) noexcept;
  void remove(std::uint32_t index, TimerRecord* records) noexcept;

  // Returns when the first occupied slot begins: no deadline in here is earlier. The wheel must not
  // be empty.
  TimePoint next_turn() const noexcept {
    return TimePoint(Duration(first_tick_of(first_slot()) << kTickBits));
  }
  // Moves to the first occupied slot and empties it: links its timers into lower levels, and calls
  // ripe(index) for those whose tick has come.
  template <class F>
  void turn(TimerRecord* records, F&& ripe) noexcept {
    const std::uint32_t slot = first_slot();
    tick_ = first_tick_of(slot);
    Lists lists = (*slots_)[slot];
    vacate(slot);
    for (bool more = true; more;) {
      more = false;
      for (std::uint32_t& list : lists) {
        const std::uint32_t index = list;
        if (index == TimerRecord::kNone) continue;
        list = records[index].next;
        if (list != TimerRecord::kNone) __builtin_prefetch(&records[list], /*for writing*/ 1);
        takes(records[index].deadline) ? add(index, records) : ripe(index);
        more = true;
      }
    }
  }
  // Moves on to `now`, if that is later; no occupied slot may begin by then.
  void advance(TimePoint now) noexcept { tick_ = std::max(tick_, tick_of(now)); }

  // Returns the earliest deadline if the first occupied slot has few timers, next_turn() if it has
  // many. The wheel must not be empty.
  TimePoint earliest(const TimerRecord* records) const noexcept;
  // Returns a timer that is cheap to remove; one at TimePoint::max() if there is no other. The
  // wheel must hold a timer.
  std::uint32_t any() const noexcept;

 private:
  static constexpr int kTickBits = 17;  // of nanoseconds
  static constexpr int kDigitBits = 6;
  static constexpr int kSlotsPerLevel = 1 << kDigitBits;
  static constexpr int kLevels = (63 - kTickBits + kDigitBits - 1) / kDigitBits;
  static constexpr int kFew = 16;
  // Slots are numbered level by level. The last one, of a level of its own, is the end of time.
  static constexpr std::uint32_t kEndOfTime = kLevels * kSlotsPerLevel;
  static constexpr std::uint32_t kTimedLevels = (1u << kLevels) - 1;
  // The heads of a slot's lists. A timer's index decides which list it is in.
  using Lists = std::array<std::uint32_t, 4>;
  using Slots = std::array<Lists, kEndOfTime + 1>;

  using Tick = std::int64_t;
  static Tick tick_of(TimePoint time) noexcept {
    return time.time_since_epoch().count() >> kTickBits;
  }

  std::uint32_t slot_of(TimePoint deadline) const noexcept;
  std::uint32_t first_slot() const noexcept {
    const auto level = static_cast<std::uint32_t>(std::countr_zero(levels_));
    return level * kSlotsPerLevel + static_cast<std::uint32_t>(std::countr_zero(occupied_[level]));
  }
  ZMQLOOP_EXPORT Tick first_tick_of(std::uint32_t slot) const noexcept;
  std::uint32_t& list_of(std::uint32_t index, std::uint32_t slot) noexcept {
    Lists& lists = (*slots_)[slot];
    return lists[index % lists.size()];
  }
  bool is_empty(std::uint32_t slot) const noexcept;
  void vacate(std::uint32_t slot) noexcept;

  Tick tick_ = 0;
  std::uint32_t levels_ = 0;
  std::array<std::uint64_t, kLevels + 1> occupied_{};
  std::unique_ptr<Slots> slots_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_TIMERS_TIMER_WHEEL_H_
