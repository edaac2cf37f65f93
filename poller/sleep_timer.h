// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Ends a wait on an epoll set at a given time, by a timerfd in that set.
//
// A timeout of epoll_wait may be exceeded by the thread's timer slack, usually 50 us, and by a
// thousandth of itself. A timerfd is exact. It also stays armed: a loop that sleeps again and again
// until the same time, or a later one, makes no system call for it.
//
//   timer.end_by(deadline, set);  // the set reports the timer by then, perhaps earlier
//   const int count = epoll_wait(set, &report, 1, -1);
//   if (count == 1 && report.data.u64 == SleepTimer::kReport) timer.reported();
//
// The price: the timer may be reported once for a time that is no longer waited for. So look at the
// clock after each wake-up.
//
// Threads: one at a time.
// Owns: the timerfd, close-on-exec, from the first end_by() on.
// Errors: none thrown; end_by() returns false if the kernel provides no timerfd.
// Internal.

#ifndef ZMQLOOP_POLLER_SLEEP_TIMER_H_
#define ZMQLOOP_POLLER_SLEEP_TIMER_H_

#include <cstdint>

#include "zmqloop/threading/host/clock.h"

namespace zmqloop {

class SleepTimer {
 public:
  // The data of the timer's entry in the set. No other entry may carry it.
  static constexpr std::uint64_t kReport = ~std::uint64_t{0};

  SleepTimer() = default;
  SleepTimer(const SleepTimer&) = delete;
  SleepTimer& operator=(const SleepTimer&) = delete;
  ~SleepTimer() { close(); }

  // Makes epoll set `set`, always the same one until close(), report the timer at `deadline` at the
  // latest. Returns false, and arms nothing, if the kernel provides no timerfd.
  bool end_by(TimePoint deadline, int set) noexcept {
    return armed_for_ <= deadline || arm(deadline, set);
  }

  // Returns whether the timer has the number `fd`, which a file that was closed since may have had.
  bool has_number(int fd) const noexcept { return fd == fd_; }

  // Returns whether the set may still report the timer.
  bool armed() const noexcept { return armed_for_ != kNever; }
  // Notes that the set has reported the timer.
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
