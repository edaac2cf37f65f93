// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// What ends a sleep at a given time: a timerfd in the epoll set that is slept in.
//
// A timeout given to epoll_wait may be exceeded by the thread's timer slack, usually 50 us, and by
// a thousandth of itself; a timerfd is exact. And it stays armed: a loop that sleeps again and
// again before the same time, or a later one, makes no system call for it.
//
//   timer.end_by(deadline);         // the set reports the timer by then, perhaps earlier
//   epoll_wait(set, ...);
//   if (it was reported) timer.reported();
//
// The price is that the timer may be reported for a time that nobody waits for any more, once; so
// whoever is woken looks at the clock.
//
// Threads: one at a time.
// Owns: the timerfd, close-on-exec, from the first end_by() on.
// Errors: none thrown: where no timerfd can be had, end_by() says so.
// Internal.

#ifndef ZMQLOOP_POLLER_SLEEP_TIMER_H_
#define ZMQLOOP_POLLER_SLEEP_TIMER_H_

#include <cstdint>

#include "zmqloop/threading/host/clock.h"

namespace zmqloop {

class SleepTimer {
 public:
  // What the set's report of the timer carries; no other entry may.
  static constexpr std::uint64_t kReport = ~std::uint64_t{0};

  SleepTimer() = default;
  SleepTimer(const SleepTimer&) = delete;
  SleepTimer& operator=(const SleepTimer&) = delete;
  ~SleepTimer() { close(); }

  // Has epoll set `set`, always the same one until close(), report the timer at `deadline` at the
  // latest. Returns false, and nothing is armed, if the kernel provides no timerfd.
  bool end_by(TimePoint deadline, int set) noexcept {
    return armed_for_ <= deadline || arm(deadline, set);
  }

  // Returns whether the timer has that number, which a file had before that was closed.
  bool has_number(int fd) const noexcept { return fd == fd_; }

  // Returns whether a report is to be expected.
  bool armed() const noexcept { return armed_for_ != kNever; }
  // Takes note that the set has reported the timer.
  void reported() noexcept { armed_for_ = kNever; }

  void close() noexcept;

 private:
  static constexpr TimePoint kNever = TimePoint::max();

  bool open(int set) noexcept;
  bool arm(TimePoint deadline, int set) noexcept;

  int fd_ = -1;
  TimePoint armed_for_ = kNever;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_SLEEP_TIMER_H_
