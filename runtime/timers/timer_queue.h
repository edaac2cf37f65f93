// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The timers of one loop: callables ordered by deadline, first come first served among equals.
//
//   TimerId id = queue.add(deadline, f);
//   queue.begin_due(now);              // a snapshot: timers that these add wait for the next one
//   while (queue.run_next_due()) {}
//
// Timers that are due within a tick of 131 us stand in a heap, all others in a wheel. There, arming
// and cancelling take the same few stores, however many timers there are: most timers are time
// limits, which are cancelled. As their time comes near, timers move from the wheel into the heap,
// so that the heap stays small. Deadlines are exact all the same: the heap alone decides which
// timers fire, and in which order.
//
// A cancelled timer is gone when cancel() returns: its callable is destroyed, its memory free.
// trim() gives back the memory of a burst of timers.
//
// Invariants:
//   Q1  A timer is free, armed (in the heap or the wheel), due, or in use (under construction,
//       running, being destroyed). A record's number is zero unless it is armed or due.
//   Q2  The heap has room for every record, so that arming cannot fail.
//   Q3  User code runs only while its timer is in use [Q1], and with every field consistent: it may
//       call anything but the destructor.
//   Q4  Every timer in the wheel is later than all those in the heap.
//
// Threads: none of its own and no clock; one thread at a time.
// Owns: the callables, from add() until run, cancelled or cleared.
// Errors: add() passes on exceptions of the callable's copy or move, std::bad_alloc, and
// std::length_error beyond 2^31 timers: then nothing was added. A TimerId of the past is recognised
// by its generation, which repeats after 2^32 timers.
// Internal.

#ifndef ZMQLOOP_RUNTIME_TIMERS_TIMER_QUEUE_H_
#define ZMQLOOP_RUNTIME_TIMERS_TIMER_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <typeinfo>
#include <utility>
#include <vector>

#include "zmqloop/runtime/timers/timer_cells.h"
#include "zmqloop/runtime/timers/timer_heap.h"
#include "zmqloop/runtime/timers/timer_record.h"
#include "zmqloop/runtime/timers/timer_wheel.h"
#include "zmqloop/threading/host/clock.h"
#include "zmqloop/threading/host/export.h"
#include "zmqloop/threading/mailbox/one_shot.h"

namespace zmqloop {

// Names one timer of a TimerQueue; default-constructed, refers to nothing.
struct TimerId {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;

  bool operator==(const TimerId&) const = default;
  explicit operator bool() const { return generation != 0; }
};

class TimerQueue {
 public:
  // Numbers timers from `first_number`: a test starts where numbers are about to wrap around.
  explicit TimerQueue(std::uint64_t first_number = 0) : last_number_(first_number) {}
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;
  // Destroys the timers that never ran. The running timer must not destroy its queue.
  ~TimerQueue() { clear(); }

  // Adds a timer. At TimePoint::max() it never becomes due, but counts as armed. Pass `now` if you
  // know it: that spares a queue that was empty for a while some steps later on.
  template <class F>
  TimerId add(TimePoint deadline, F&& f, TimePoint now = kAtOnce) {
    decltype(auto) prepared = one_shot::prepare(std::forward<F>(f));
    const std::uint32_t index = take_cell();
    TimerCell& cell = cells_[index];
    cell.ops = one_shot::construct(cell.storage, std::forward<decltype(prepared)>(prepared));
    return arm(index, deadline, now);
  }

  // Cancels a timer and destroys its callable, at any time before it runs; false if it is not armed
  // any more. In place; O(1) unless it is about to become due.
  bool cancel(TimerId id) noexcept;

  bool empty() const noexcept { return size() == 0; }
  // Returns how many timers are armed, or due and not run yet.
  std::size_t size() const noexcept { return armed_ + due_live_; }

  // Returns the earliest deadline or, if many timers stand close together, a time before it: call
  // begin_due() then, and ask again. kAtOnce while due timers have not run; nullopt if no timer can
  // fire.
  std::optional<TimePoint> next_deadline() const noexcept;

  // Makes the timers with deadlines up to `now` due, behind those that are due already; returns how
  // many. Throws std::bad_alloc; then the timers not yet reached are still armed.
  std::size_t begin_due(TimePoint now);

  // Runs the next due timer; false when none is left. The callable stays in place while it runs,
  // and is destroyed after. Its exceptions pass through: its timer is gone, the others are still
  // due.
  bool run_next_due();

  // Returns the type of the callable that run_next_due() runs next; null when none is left.
  const std::type_info* next_due_type() noexcept;

  // Returns the type of the callable that is running, or was the last to run; null before the
  // first.
  const std::type_info* running_type() const;

  // Destroys all timers unrun, also those that the destructors of callables add; returns how many.
  ZMQLOOP_EXPORT std::size_t clear() noexcept;

  // Gives back the memory of a burst of timers, if the queue is empty.
  void trim() noexcept;

 private:
  class CellUse;
  using Place = TimerRecord::Place;

  static constexpr std::uint32_t kNone = TimerRecord::kNone;
  // Number of cells that a trimmed queue keeps.
  static constexpr std::size_t kKept = 240;

  ZMQLOOP_EXPORT std::uint32_t take_cell();
  ZMQLOOP_EXPORT TimerId arm(std::uint32_t index, TimePoint deadline, TimePoint now) noexcept;
  void disarm(std::uint32_t index) noexcept;
  void destroy(std::uint32_t index) noexcept;
  void release_cell(std::uint32_t index) noexcept;
  void move_due(TimePoint now);
  std::uint32_t first_due() noexcept;
  std::uint32_t take_due() noexcept;
  void prefetch(std::uint32_t index) noexcept;
  void compact_due() noexcept;

  // One record per cell; free ones are chained through their positions.
  std::vector<TimerRecord> records_;
  std::uint32_t first_free_ = kNone;
  std::uint32_t cells_in_use_ = 0;
  TimerCells cells_;

  // Armed timers.
  std::uint64_t last_number_;  // its lower half is the timer's generation, and never zero
  std::size_t armed_ = 0;      // in heap and wheel
  TimerHeap heap_;
  TimerWheel wheel_;

  // The snapshot: indices of timers in the order they run, kNone where one was cancelled.
  std::vector<std::uint32_t> due_;
  std::size_t due_next_ = 0;
  std::size_t due_live_ = 0;

  one_shot::Ops last_run_ = nullptr;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_TIMERS_TIMER_QUEUE_H_
