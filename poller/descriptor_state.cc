// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/descriptor_state.h"

#include <cerrno>
#include <poll.h>

namespace zmqloop {

Events read_descriptor_state(int fd, Events interest) noexcept {
  pollfd item{};
  item.fd = fd;
  if (any(interest & Events::kRead)) item.events |= POLLIN;
  if (any(interest & Events::kWrite)) item.events |= POLLOUT;
  while (poll(&item, 1, 0) < 0) {
    if (errno != EINTR) return Events::kError;
  }
  Events ready = Events::kNone;
  if ((item.revents & POLLIN) != 0) ready |= Events::kRead;
  if ((item.revents & POLLOUT) != 0) ready |= Events::kWrite;
  if ((item.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) ready |= Events::kError;
  return ready;
}

}  // namespace zmqloop
