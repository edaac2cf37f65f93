// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/poller_error.h"

#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <zmq.hpp>

namespace zmqloop {
namespace {

// A zmq::error_t whose text says more than the errno.
class SocketError final : public zmq::error_t {
 public:
  SocketError(int error, std::string text) : zmq::error_t(error), text_(std::move(text)) {}
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  std::string text_;
};

std::string prefix(const char* call) { return std::string(call) + ": "; }

const char* remedy(int error) {
  switch (error) {
    case EPERM:
      return "regular files and directories are always ready, not pollable; read or write them "
             "directly";
    case EBADF:
      return "the descriptor is not open; add it after opening, remove it before closing";
    case EMFILE:
    case ENFILE:
      return "close descriptors or raise the limit (ulimit -n)";
    case ENOSPC:
      return "raise fs.epoll.max_user_watches or register less";
    case ELOOP:
      return "epoll descriptors are nested in a circle or too deep";
    case ENOTSOCK:
      return "the socket is closed; add it after opening, remove it before closing";
    case ETERM:
      return "its context is being terminated; close the socket";
    default:
      return "see the error";
  }
}

}  // namespace

void require_known_events(const char* call, const Pollable& pollable, Events events) {
  if (events == (events & kAllEvents)) return;
  throw std::invalid_argument(prefix(call) + "unknown events " + to_string(events) + " for " +
                              pollable.describe() + ": use kRead, kWrite, kError");
}

void require_valid_pollable(const char* call, const Pollable& pollable) {
  if (pollable.is_valid()) return;
  throw std::invalid_argument(prefix(call) + pollable.describe() +
                              " cannot be waited for: pass an open descriptor or socket");
}

void throw_call_failed(const char* call, const char* system_call, const Pollable& pollable,
                       int error) {
  throw std::system_error(
      error, std::system_category(),
      prefix(call) + system_call + " for " + pollable.describe() + " (" + remedy(error) + ")");
}

void throw_call_failed(const char* call, const char* system_call, int error) {
  throw std::system_error(error, std::system_category(),
                          prefix(call) + system_call + " (" + remedy(error) + ")");
}

void throw_socket_failed(const char* call, const char* system_call, const Pollable& pollable,
                         int error) {
  throw SocketError(error, prefix(call) + system_call + " for " + pollable.describe() + " (" +
                               remedy(error) + "): " + zmq_strerror(error));
}

void throw_registered_twice(const char* call, const Pollable& pollable, const Pollable& holder) {
  const std::string as = pollable == holder ? "" : " as " + holder.describe();
  throw std::invalid_argument(prefix(call) + pollable.describe() + " is already registered" + as +
                              ": modify it, or remove it first");
}

void throw_unknown(const char* call, const Pollable& pollable) {
  throw std::invalid_argument(prefix(call) + pollable.describe() +
                              " is not registered: add it first");
}

}  // namespace zmqloop
