// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A loop's doorbell for other threads: one inproc ZeroMQ connection that ends the loop's wait.
//
//   Waker waker;                                          // owned by the loop
//   poller.add(waker.fd(), Events::kRead, kInternalToken);
//   waker.wake();                                         // any thread: the wait ends
//   waker.drain();                                        // loop thread, when fd() is readable
//
// A wake-up is a hint, never a count: any number of wake() calls may merge into one. None is lost:
// after drain() has returned, the next wake() makes fd() readable, and so does a wake() before the
// first drain. It costs the ringing thread 0.4 us, and more if the loop really sleeps, so ring only
// then.
//
// You may watch fd() level-triggered, as a raw descriptor, although it is a ZMQ_FD: only drain()
// touches the receiving socket, and it always reads it to the end.
//
// In a forked child all calls except the queries are no-ops, and the destructor leaks the sockets:
// closing them would disturb the parent or never return.
//
// Threads: see the groups below.
// Owns: its sockets, see doorbell_sockets.h.
// Errors: the constructor throws std::system_error (EMFILE: see require_free_descriptors) or
//         zmq::error_t. Nothing else throws.
// Internal.

#ifndef ZMQLOOP_POLLER_WAKER_H_
#define ZMQLOOP_POLLER_WAKER_H_

#include <atomic>
#include <cstdint>
#include <mutex>

#include "zmqloop/poller/doorbell_sockets.h"

namespace zmqloop {

class Waker {
 public:
  explicit Waker(DescriptorLimit limit = DescriptorLimit::kKeep);
  ~Waker();
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  // ---- any thread ----

  // Makes fd() readable. A no-op after close(), and may race with close(). Not for signal handlers:
  // they use SignalDoorbell.
  void wake() noexcept;

  // Returns how many wake() calls have rung.
  std::uint64_t rings() const noexcept { return rings_.load(); }

  // ---- loop thread ----

  // Consumes all wake-ups so far, so that fd() is silent until the next one.
  void drain() noexcept;

  // Returns the descriptor to watch for kRead; -1 after close().
  int fd() const noexcept { return fd_; }

  // Gives up the sockets. Idempotent. Remove fd() from the poller first.
  void close() noexcept;

 private:
  bool in_forked_child() const noexcept;

  // Constant after construction.
  const std::uint32_t generation_;

  // The receiving end: loop thread only. The sending end: guarded by mutex_. libzmq lets a socket
  // move between threads across a full memory barrier; the mutex is that barrier.
  DoorbellSockets sockets_;
  int fd_;

  std::mutex mutex_;
  bool closed_ = false;  // guarded by mutex_

  // Shared.
  std::atomic<std::uint64_t> rings_{0};
};

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_WAKER_H_
