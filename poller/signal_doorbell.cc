#include "zmqloop/poller/signal_doorbell.h"

#include <cerrno>
#include <cstdint>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

#include "zmqloop/threading/host/cancellation_hold.h"
#include "zmqloop/threading/host/fork_guard.h"

namespace zmqloop {
namespace {

int make_eventfd() {
  const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd >= 0) return fd;
  throw std::system_error(errno, std::system_category(),
                          "eventfd for a signal doorbell: close descriptors or raise ulimit -n");
}

}  // namespace

SignalDoorbell::SignalDoorbell() : generation_(fork_generation()), fd_(make_eventfd()) {}

SignalDoorbell::~SignalDoorbell() {
  const CancellationHold hold;
  ::close(fd_);
}

// Here and below past the C library, whose write() and read() look for a cancellation of the thread:
// that must not unwind it from here.
void SignalDoorbell::ring() noexcept {
  if (fork_generation() != generation_) return;
  const int saved_errno = errno;
  const std::uint64_t one = 1;
  while (::syscall(SYS_write, fd_, &one, sizeof one) < 0 && errno == EINTR) {
  }
  errno = saved_errno;
}

void SignalDoorbell::drain() noexcept {
  if (fork_generation() != generation_) return;
  // One read takes the whole counter. EAGAIN: nobody rang, which is a harmless spurious wake-up.
  std::uint64_t rings = 0;
  while (::syscall(SYS_read, fd_, &rings, sizeof rings) < 0 && errno == EINTR) {
  }
}

}  // namespace zmqloop
