// One epoll descriptor: its four system calls, with errors as values and timeouts in nanoseconds.
//
// Threads: one at a time.
// Owns: the epoll descriptor, close-on-exec.
// Errors: open() throws std::system_error; wait() throws std::system_error for anything but EINTR;
//         the others return errno.
// Internal.

#ifndef ZMQLOOP_POLLER_EPOLL_SET_H_
#define ZMQLOOP_POLLER_EPOLL_SET_H_

#include <cstdint>
#include <optional>
#include <span>
#include <sys/epoll.h>

#include "zmqloop/poller/clock.h"

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
  // change() tells the same by 0 and ENOENT, EBADF.
  int add(int fd, std::uint32_t events, std::uint64_t data) noexcept;
  int change(int fd, std::uint32_t events, std::uint64_t data) noexcept;
  int take_out(int fd) noexcept;

  // Waits at most `timeout` (empty: for ever; zero or less: not at all) and fills `reports` from
  // the start; returns how many, 0 if the time is up, -1 if a signal handler ran. Uses epoll_pwait2
  // where there is one, and whole milliseconds, rounded up, elsewhere. Sleeps kLongestSleep at
  // most.
  int wait(std::span<epoll_event> reports, std::optional<Duration> timeout);

  static constexpr Duration kLongestSleep = std::chrono::hours(24 * 24);

 private:
  int control(int operation, int fd, std::uint32_t events, std::uint64_t data) noexcept;

  int fd_ = -1;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_EPOLL_SET_H_
