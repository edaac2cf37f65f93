// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A PUSH socket connected to a PULL socket over inproc: the sending and receiving end of a waker.
//
// The pairs of closed loops are kept for new loops, up to kMostSpares. The reason: libzmq closes
// sockets on a thread of its own, which falls behind if a process makes and destroys many loops,
// and the sockets hold their descriptors meanwhile. A spare pair costs two descriptors. Making one
// takes 75 us, twice as long as starting a thread.
//
// Threads: acquire() and retire() on any thread. A pair has one owner thread at a time. It may hand
//          the pair to another thread across a full memory barrier, such as a mutex.
// Owns: both sockets, and the spare pairs of the process.
// Errors: acquire() throws std::system_error (EMFILE: see require_free_descriptors), zmq::error_t
//         or std::bad_alloc. In a forked child, only call leak() on the parent's pairs.
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

  // Takes a spare pair or makes one. The pair is silent, and its next ring will be reported.
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
  // Not a zmq::socket_t, which cannot release its socket without closing it.
  using SocketHandle = std::unique_ptr<void, CloseSocket>;
  struct Spares;

  explicit DoorbellSockets(DescriptorLimit limit);
  // If descriptors run out, waits a little for those of recently closed sockets.
  static SocketHandle make_socket(int type, DescriptorLimit limit);
  static SocketHandle try_make_socket(int type, DescriptorLimit limit);
  static Spares& spares();

  SocketHandle receiver_;
  SocketHandle sender_;
  int fd_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_DOORBELL_SOCKETS_H_
