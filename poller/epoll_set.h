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

  // Closes the set; the kernel forgets all that was in it.
  void close() noexcept;

  bool is_open() const noexcept { return fd_ >= 0; }

  // Add, change, take out: 0 or errno. The kernel keys its entries by open file *and* number, so
  // add() tells whether a number still names the file it was added with: EEXIST if so, 0 if not.
  // change() tells the same by 0 and ENOENT, EBADF. The number of the timer is no caller's: EBADF
  // from add(), ENOENT from the others.
  int add(int fd, std::uint32_t events, std::uint64_t data) noexcept;
  int change(int fd, std::uint32_t events, std::uint64_t data) noexcept;
  int take_out(int fd) noexcept;

  // Returns whether `fd` still names a file that was added under that number, and changes nothing:
  // unlike change(), it does not have an edge-triggered entry reported again. One system call.
  bool holds(int fd) noexcept;

  // Waits until something is reported, or until `deadline` (empty: for ever; kAtOnce: not at all),
  // and fills `reports` from the start; returns how many, -1 if a signal handler ran. 0 also means
  // nothing in particular: the timer was set for an earlier wait, or kLongestSleep is over. Whoever
  // gets it looks at the clock. Where there is no timerfd, ends at a whole millisecond after the
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
