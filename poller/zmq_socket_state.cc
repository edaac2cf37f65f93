// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/zmq_socket_state.h"

#include <cerrno>
#include <cstddef>
#include <zmq.h>

namespace zmqloop {
namespace {

SocketOption read_option(void* socket, int option) noexcept {
  for (;;) {
    SocketOption result;
    std::size_t size = sizeof result.value;
    if (zmq_getsockopt(socket, option, &result.value, &size) == 0) return result;
    result.error = zmq_errno();
    if (result.error != EINTR) return result;
  }
}

}  // namespace

SocketState read_socket_state(void* socket) noexcept {
  const SocketOption ready = read_option(socket, ZMQ_EVENTS);
  SocketState state;
  state.error = ready.error;
  if (ready.error != 0) return state;
  if ((ready.value & ZMQ_POLLIN) != 0) state.events |= Events::kRead;
  if ((ready.value & ZMQ_POLLOUT) != 0) state.events |= Events::kWrite;
  return state;
}

SocketOption read_socket_descriptor(void* socket) noexcept { return read_option(socket, ZMQ_FD); }

bool alternates(void* socket) noexcept {
  const SocketOption type = read_option(socket, ZMQ_TYPE);
  return type.error == 0 && (type.value == ZMQ_REQ || type.value == ZMQ_REP);
}

}  // namespace zmqloop
