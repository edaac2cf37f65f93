// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Names a file descriptor or a ZeroMQ socket to wait for. A small value.
//
//   poller.add(fd, Events::kRead);           // an int
//   poller.add(socket, Events::kRead);       // a zmq::socket_t& or zmq::socket_ref
//   poller.add(stream, Events::kRead);       // anything with `int fileno() const`
//
// Two pollables are equal if they name the same descriptor number or the same socket handle. Any
// int and any reference makes a pollable, but Poller::add refuses one that is not valid
// (is_valid()).
//
// Threads: a value; any thread. But fd(), describe() and close() of a socket touch that socket:
//          call them on the thread that uses it.
// Owns: nothing. A pollable made from a zmq::socket_t& points at that object, which must stay where
//       it is for as long as close() may be called.
// Errors: none.
// Public.

#ifndef ZMQLOOP_POLLER_POLLABLE_H_
#define ZMQLOOP_POLLER_POLLABLE_H_

#include <concepts>
#include <cstddef>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>

#include <zmq.hpp>

#include "zmqloop/threading/host/export.h"

namespace zmqloop {

// An object that has a descriptor and returns it from fileno().
template <class T>
concept HasFileno = requires(const T& object) {
  { object.fileno() } -> std::convertible_to<int>;
};

class Pollable {
 public:
  // The conversions are implicit on purpose: each names the same thing in another type.
  Pollable(int fd) noexcept : fd_(fd) {}
  Pollable(zmq::socket_ref socket) noexcept : handle_(socket.handle()), is_socket_(true) {}
  Pollable(zmq::socket_t& socket) noexcept
      : handle_(socket.handle()), owner_(&socket), is_socket_(true) {}
  Pollable(zmq::socket_t&&) = delete;  // It would be closed before you could wait for it.

  template <HasFileno T>
  Pollable(const T& object) noexcept(noexcept(object.fileno()))
      : fd_(static_cast<int>(object.fileno())) {}

  // Returns whether this is a ZeroMQ socket; otherwise it is a raw descriptor.
  bool is_socket() const noexcept { return is_socket_; }

  // Returns false for a negative number and for a null socket: neither can name anything open.
  bool is_valid() const noexcept { return is_socket_ ? handle_ != nullptr : fd_ >= 0; }

  // Returns the raw descriptor, or the socket's ZMQ_FD; -1 if that socket is null, closed or
  // terminated. ZMQ_FD is edge-triggered and signals libzmq's commands, not messages: wait for it
  // through a Poller, and never read from it.
  int fd() const noexcept { return is_socket_ ? socket_fd() : fd_; }

  // Returns the socket, null for a raw descriptor.
  zmq::socket_ref socket() const noexcept {
    return handle_ == nullptr ? zmq::socket_ref() : zmq::socket_ref(zmq::from_handle, handle_);
  }

  // Closes the descriptor or socket. A raw descriptor gets one ::close, not repeated on EINTR
  // (Linux has released the number by then). A socket_ref gets zmq_close. A zmq::socket_t& is
  // closed through that object, but not if it holds another socket by now. Does nothing for an
  // invalid value.
  ZMQLOOP_EXPORT void close() const noexcept;

  // Returns "fd 7", "PULL socket 0x55..", or "closed socket 0x55.." for messages and logs.
  ZMQLOOP_EXPORT std::string describe() const;

  friend bool operator==(const Pollable& a, const Pollable& b) noexcept {
    return a.is_socket_ == b.is_socket_ && a.handle_ == b.handle_ && a.fd_ == b.fd_;
  }

  template <class H>
  friend H AbslHashValue(H state, const Pollable& p) {
    return H::combine(std::move(state), p.is_socket_, p.handle_, p.fd_);
  }

 private:
  ZMQLOOP_EXPORT int socket_fd() const noexcept;

  void* handle_ = nullptr;          // libzmq's handle; null for a raw descriptor
  zmq::socket_t* owner_ = nullptr;  // not part of the identity
  int fd_ = -1;                     // -1 for a socket
  bool is_socket_ = false;
};

static_assert(sizeof(Pollable) <= 24 && std::is_trivially_copyable_v<Pollable>);

}  // namespace zmqloop

template <>
struct std::hash<zmqloop::Pollable> {
  std::size_t operator()(const zmqloop::Pollable& p) const noexcept {
    return p.is_socket() ? std::hash<const void*>()(p.socket().handle()) : std::hash<int>()(p.fd());
  }
};

#endif  // ZMQLOOP_POLLER_POLLABLE_H_
