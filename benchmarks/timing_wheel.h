// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The floor of timers: a hashed wheel of intrusive lists, with a tick of one millisecond.
//
// Hardly anything could arm or cancel in fewer instructions: arming links a timer into the list of
// its tick, cancelling unlinks it. The wheel has no descriptor to wait on.
//
// Threads: one.
// Owns: its lists; timers belong to the user.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_TIMING_WHEEL_H_
#define ZMQLOOP_BENCHMARKS_TIMING_WHEEL_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace zmqloop::bench {

class TimingWheel {
 public:
  struct Timer {
    Timer* next;
    Timer* previous;
    std::uint64_t tick;  // when it is due
  };

  TimingWheel() {
    for (Timer& list : lists_) list = {&list, &list, 0};
  }
  TimingWheel(const TimingWheel&) = delete;
  TimingWheel& operator=(const TimingWheel&) = delete;

  void arm(Timer& timer, std::uint64_t tick) {
    Timer& list = lists_[tick % kTicks];
    timer = {&list, list.previous, tick};
    list.previous->next = &timer;
    list.previous = &timer;
  }
  static void cancel(const Timer& timer) {
    timer.previous->next = timer.next;
    timer.next->previous = timer.previous;
  }

  // Calls fire(timer) for each timer that is due from tick `first` to tick `last`.
  template <class F>
  void advance(std::uint64_t first, std::uint64_t last, F&& fire) {
    for (std::uint64_t tick = first; tick <= last; ++tick) {
      Timer& list = lists_[tick % kTicks];
      for (Timer* timer = list.next; timer != &list;) {
        Timer& due = *timer;
        timer = timer->next;
        if (due.tick > tick) continue;  // of a later turn of the wheel
        cancel(due);
        fire(due);
      }
    }
  }

 private:
  static constexpr std::size_t kTicks = 65'536;
  std::array<Timer, kTicks> lists_;
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_TIMING_WHEEL_H_
