// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/epoll_set.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <unistd.h>

#include "zmqloop/poller/poller_error.h"
#include "zmqloop/threading/host/cancellation_hold.h"

namespace zmqloop {
namespace {

// The data of an entry that is taken out before it can be reported. If taking it out fails, it is
// reported as an entry that no registration owns.
constexpr std::uint64_t kNobody = ~std::uint64_t{1};

}  // namespace

void EpollSet::open() {
  if (fd_ >= 0) return;
  fd_ = epoll_create1(EPOLL_CLOEXEC);
  if (fd_ < 0) throw_call_failed("open", "epoll_create1", errno);
}

void EpollSet::close() noexcept {
  const CancellationHold hold;
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  timer_.close();
}

int EpollSet::add(int fd, std::uint32_t events, std::uint64_t data) noexcept {
  return control(EPOLL_CTL_ADD, fd, events, data);
}

int EpollSet::change(int fd, std::uint32_t events, std::uint64_t data) noexcept {
  const int error = control(EPOLL_CTL_MOD, fd, events, data);
  return error == EPERM ? ENOENT : error;  // a regular file, which no set can hold
}

int EpollSet::take_out(int fd) noexcept { return control(EPOLL_CTL_DEL, fd, 0, 0); }

bool EpollSet::holds(int fd) noexcept {
  const int error = add(fd, 0, kNobody);
  if (error == 0) take_out(fd);  // another file than the one that was added
  return error == EEXIST;
}

int EpollSet::wait(std::span<epoll_event> reports, std::optional<TimePoint> deadline) {
  const int timeout = milliseconds_until(deadline);
  const int count = epoll_wait(fd_, reports.data(), static_cast<int>(reports.size()), timeout);
  if (count < 0 && errno != EINTR) throw_call_failed("Poller::wait", "epoll_wait", errno);
  if (count <= 0 || !timer_.armed()) return count;
  return without_timer(reports.first(static_cast<std::size_t>(count)));
}

// Returns the timeout for epoll_wait: -1 if the timer ends the wait, or if nothing does.
int EpollSet::milliseconds_until(std::optional<TimePoint> deadline) noexcept {
  if (!deadline) return -1;
  if (*deadline == kAtOnce) return 0;
  if (timer_.end_by(*deadline, fd_)) return -1;
  const Duration left = std::clamp(saturating_subtract(*deadline, Clock::now()), Duration::zero(),
                                   Duration(kLongestSleep));
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count());
}

// Takes out the timer's report; returns the number of other reports.
int EpollSet::without_timer(std::span<epoll_event> reports) noexcept {
  for (epoll_event& report : reports) {
    if (report.data.u64 != SleepTimer::kReport) continue;
    timer_.reported();
    report = reports.back();
    return static_cast<int>(reports.size()) - 1;
  }
  return static_cast<int>(reports.size());
}

// Does not let callers touch the timer's entry: its number may have been that of their file before.
int EpollSet::control(int operation, int fd, std::uint32_t events, std::uint64_t data) noexcept {
  if (timer_.has_number(fd)) return operation == EPOLL_CTL_ADD ? EBADF : ENOENT;
  epoll_event event{};
  event.events = events;
  event.data.u64 = data;
  return epoll_ctl(fd_, operation, fd, &event) == 0 ? 0 : errno;
}

}  // namespace zmqloop
