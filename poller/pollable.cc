// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/pollable.h"

#include <cstdio>
#include <unistd.h>
#include <zmq.h>

#include "zmqloop/threading/host/cancellation_hold.h"

namespace zmqloop {
namespace {

// In libzmq's spelling, in the order of ZMQ_PAIR (0) to ZMQ_STREAM (11).
constexpr const char* kSocketTypes[] = {"PAIR",   "PUB",  "SUB",  "REQ",  "REP",  "DEALER",
                                        "ROUTER", "PULL", "PUSH", "XPUB", "XSUB", "STREAM"};
constexpr int kSocketTypeCount = static_cast<int>(sizeof kSocketTypes / sizeof kSocketTypes[0]);

// Reads an integer option, or returns -1 if the socket is null, closed or terminated.
int read_int_option(void* handle, int option) noexcept {
  if (handle == nullptr) return -1;
  int value = -1;
  std::size_t size = sizeof value;
  return zmq_getsockopt(handle, option, &value, &size) == 0 ? value : -1;
}

}  // namespace

int Pollable::socket_fd() const noexcept { return read_int_option(handle_, ZMQ_FD); }

void Pollable::close() const noexcept {
  if (!is_valid()) return;
  const CancellationHold hold;
  if (!is_socket_) {
    ::close(fd_);
  } else if (owner_ == nullptr) {
    zmq_close(handle_);
  } else if (owner_->handle() == handle_) {
    owner_->close();
  }
}

std::string Pollable::describe() const {
  char text[64];
  if (!is_socket_) {
    std::snprintf(text, sizeof text, "fd %d", fd_);
  } else if (handle_ == nullptr) {
    std::snprintf(text, sizeof text, "null socket");
  } else {
    const int type = read_int_option(handle_, ZMQ_TYPE);
    const char* name = type < 0 ? "closed" : type < kSocketTypeCount ? kSocketTypes[type] : "draft";
    std::snprintf(text, sizeof text, "%s socket %p", name, handle_);
  }
  return text;
}

}  // namespace zmqloop
