// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/signal_doorbell.h"

#include <cerrno>
#include <cstdint>
#include <sys/eventfd.h>
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

void SignalDoorbell::ring() noexcept {
  if (fork_generation() != generation_) return;
  const CancellationHold hold;
  const int saved_errno = errno;
  const std::uint64_t one = 1;
  while (::write(fd_, &one, sizeof one) < 0 && errno == EINTR) {
  }
  errno = saved_errno;
}

void SignalDoorbell::drain() noexcept {
  if (fork_generation() != generation_) return;
  const CancellationHold hold;
  // One read takes the whole counter. EAGAIN means that there was no ring: a harmless spurious
  // wake-up.
  std::uint64_t rings = 0;
  while (::read(fd_, &rings, sizeof rings) < 0 && errno == EINTR) {
  }
}

}  // namespace zmqloop
