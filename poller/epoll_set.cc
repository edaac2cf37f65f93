#include "zmqloop/poller/epoll_set.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <time.h>
#include <unistd.h>

#include "zmqloop/poller/poller_error.h"

namespace zmqloop {
namespace {

// Cleared for the process when the kernel, or a filter of system calls, refuses epoll_pwait2.
constinit std::atomic<bool> has_epoll_pwait2{true};

int wait_nanoseconds(int set, epoll_event* reports, int capacity, Duration timeout) noexcept {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
  const timespec limit{static_cast<time_t>(seconds.count()),
                       static_cast<long>(std::chrono::nanoseconds(timeout - seconds).count())};
  return epoll_pwait2(set, reports, capacity, &limit, nullptr);
}

int wait_milliseconds(int set, epoll_event* reports, int capacity, Duration timeout) noexcept {
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(timeout);
  return epoll_wait(set, reports, capacity, static_cast<int>(milliseconds.count()));
}

int wait_finite(int set, epoll_event* reports, int capacity, Duration timeout) noexcept {
  timeout = std::min(timeout, EpollSet::kLongestSleep);
  if (has_epoll_pwait2.load()) {
    const int count = wait_nanoseconds(set, reports, capacity, timeout);
    if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
    has_epoll_pwait2.store(false);
  }
  return wait_milliseconds(set, reports, capacity, timeout);
}

}  // namespace

void EpollSet::open() {
  if (fd_ >= 0) return;
  fd_ = epoll_create1(EPOLL_CLOEXEC);
  if (fd_ < 0) throw_call_failed("open", "epoll_create1", errno);
}

void EpollSet::close() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

int EpollSet::add(int fd, std::uint32_t events, std::uint64_t data) noexcept {
  return control(EPOLL_CTL_ADD, fd, events, data);
}

int EpollSet::change(int fd, std::uint32_t events, std::uint64_t data) noexcept {
  return control(EPOLL_CTL_MOD, fd, events, data);
}

int EpollSet::take_out(int fd) noexcept { return control(EPOLL_CTL_DEL, fd, 0, 0); }

int EpollSet::wait(std::span<epoll_event> reports, std::optional<Duration> timeout) {
  const int capacity = static_cast<int>(reports.size());
  int count;
  if (!timeout) {
    count = epoll_wait(fd_, reports.data(), capacity, -1);
  } else if (*timeout <= Duration::zero()) {
    count = epoll_wait(fd_, reports.data(), capacity, 0);
  } else {
    count = wait_finite(fd_, reports.data(), capacity, *timeout);
  }
  if (count < 0 && errno != EINTR) throw_call_failed("wait", "epoll_wait", errno);
  return count;
}

int EpollSet::control(int operation, int fd, std::uint32_t events, std::uint64_t data) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.u64 = data;
  return epoll_ctl(fd_, operation, fd, &event) == 0 ? 0 : errno;
}

}  // namespace zmqloop
