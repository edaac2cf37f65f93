// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/sleep_timer.h"

#include <algorithm>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "zmqloop/threading/host/cancellation_hold.h"

namespace zmqloop {

bool SleepTimer::open(int set) noexcept {
  // Clock is the monotonic clock.
  fd_ = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (fd_ < 0) return false;
  // Edge-triggered: it is reported once for each time it was set, and never read.
  epoll_event entry{};
  entry.events = EPOLLIN | EPOLLET;
  entry.data.u64 = kReport;
  if (epoll_ctl(set, EPOLL_CTL_ADD, fd_, &entry) == 0) return true;
  close();
  return false;
}

bool SleepTimer::arm(TimePoint deadline, int set) noexcept {
  if (fd_ < 0 && !open(set)) return false;
  // Zero would disarm it.
  const Duration when = std::max(deadline.time_since_epoch(), Duration(1));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(when);
  const itimerspec setting{{0, 0},
                           {static_cast<time_t>(seconds.count()),
                            static_cast<long>(std::chrono::nanoseconds(when - seconds).count())}};
  if (timerfd_settime(fd_, TFD_TIMER_ABSTIME, &setting, nullptr) != 0) return false;
  armed_for_ = deadline;
  return true;
}

void SleepTimer::close() noexcept {
  const CancellationHold hold;
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  armed_for_ = kNever;
}

}  // namespace zmqloop
