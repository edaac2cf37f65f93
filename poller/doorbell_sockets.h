// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A PUSH socket connected to a PULL socket over inproc: what a waker rings with, and is rung by.
//
// Pairs of loops that have gone are kept for loops that come, up to kMostSpares: libzmq closes
// sockets on a thread of its own, which falls behind a process that makes and destroys many loops,
// and they hold their descriptors meanwhile. A spare pair costs two descriptors; making one takes
// twice as long as starting a thread, 75 us.
//
// Threads: acquire() and retire() any. A pair has one owner at a time, who may hand it to another
//          thread across a full memory barrier, as a mutex is.
// Owns: both sockets, and for the process the spare pairs.
// Errors: acquire() throws std::system_error (EMFILE: see require_free_descriptors), zmq::error_t or
//         std::bad_alloc. In a forked child, do nothing with the parent's but leak().
// Internal.

#ifndef ZMQLOOP_POLLER_DOORBELL_SOCKETS_H_
#define ZMQLOOP_POLLER_DOORBELL_SOCKETS_H_

#include <cstddef>
#include <memory>
#include <zmq.h>

#include "zmqloop/threading/host/descriptor_preflight.h"

namespace zmqloop {

class DoorbellSockets {
 public:
  static constexpr std::size_t kMostSpares = 32;

  // Takes a spare pair, or makes one; it is silent, and the next ring will be reported.
  static DoorbellSockets acquire(DescriptorLimit limit = DescriptorLimit::kKeep);
  // Gives a pair back: makes it silent and keeps it as a spare, or closes it.
  static void retire(DoorbellSockets pair) noexcept;

  // Sends an empty message without waiting; false only if the context has been terminated.
  bool ring() noexcept;
  // Receives all messages, so that fd() is silent until the next one.
  void drain() noexcept;
  // Returns the descriptor that is readable after a ring.
  int fd() const noexcept { return fd_; }

  // Forgets the sockets without closing them. They stay reachable from their context.
  void leak() noexcept;

 private:
  struct CloseSocket {
    void operator()(void* socket) const noexcept { zmq_close(socket); }
  };
  // Not a zmq::socket_t, which cannot let go of its socket without closing it.
  using SocketHandle = std::unique_ptr<void, CloseSocket>;
  struct Spares;

  explicit DoorbellSockets(DescriptorLimit limit);
  // Waits a little for the descriptors of sockets closed just now, if there are no others.
  static SocketHandle make_socket(int type, DescriptorLimit limit);
  static SocketHandle try_make_socket(int type, DescriptorLimit limit);
  static Spares& spares();

  SocketHandle receiver_;
  SocketHandle sender_;
  int fd_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_DOORBELL_SOCKETS_H_
