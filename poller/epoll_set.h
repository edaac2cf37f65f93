// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// One epoll descriptor: its four system calls, with errors as values and waits that end at a point
// in time.
//
// Threads: one at a time.
// Owns: the epoll descriptor, close-on-exec, and the timer that ends waits.
// Errors: open() throws std::system_error; wait() throws std::system_error for anything but EINTR;
//         the others return errno.
// Internal.

#ifndef ZMQLOOP_POLLER_EPOLL_SET_H_
#define ZMQLOOP_POLLER_EPOLL_SET_H_

#include <cstdint>
#include <optional>
#include <span>
#include <sys/epoll.h>

#include "zmqloop/poller/sleep_timer.h"
#include "zmqloop/threading/host/clock.h"

namespace zmqloop {

class EpollSet {
 public:
  EpollSet() { open(); }
  ~EpollSet() { close(); }
  EpollSet(const EpollSet&) = delete;
  EpollSet& operator=(const EpollSet&) = delete;

  // Opens a new, empty set if this one is closed.
  void open();

  // Closes the set; the kernel forgets all its entries.
  void close() noexcept;

  bool is_open() const noexcept { return fd_ >= 0; }

  // Add, change or take out an entry; return 0 or errno. The kernel keys its entries by open file
  // *and* number. So add() tells whether a number still names the file it was added with: EEXIST if
  // so, 0 if not. change() tells the same: 0 if so, ENOENT or EBADF if not. The timer's number
  // belongs to no caller: EBADF from add(), ENOENT from the others.
  int add(int fd, std::uint32_t events, std::uint64_t data) noexcept;
  int change(int fd, std::uint32_t events, std::uint64_t data) noexcept;
  int take_out(int fd) noexcept;

  // Returns whether `fd` still names a file that was added under that number. Changes nothing:
  // unlike change(), it does not make the kernel report an edge-triggered entry again. One system
  // call, two if the number names another file.
  bool holds(int fd) noexcept;

  // Waits until something is reported, or until `deadline` (empty: for ever; kAtOnce: not at all).
  // Fills `reports` from the start and returns their number, -1 if a signal handler ran. 0 need not
  // mean that the time is up: the timer may have been set for an earlier wait, or kLongestSleep may
  // be over. So look at the clock. Without a timerfd, ends at a whole millisecond after the
  // deadline.
  int wait(std::span<epoll_event> reports, std::optional<TimePoint> deadline);

  static constexpr Duration kLongestSleep = std::chrono::hours(24 * 24);

 private:
  int control(int operation, int fd, std::uint32_t events, std::uint64_t data) noexcept;
  int milliseconds_until(std::optional<TimePoint> deadline) noexcept;
  int without_timer(std::span<epoll_event> reports) noexcept;

  int fd_ = -1;
  SleepTimer timer_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_EPOLL_SET_H_
