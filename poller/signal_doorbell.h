// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A loop's doorbell for signal handlers: an eventfd, rung by one write(2).
//
//   SignalDoorbell bell;                                  // owned by the loop
//   poller.add(bell.fd(), Events::kRead, kInternalToken);
//   bell.ring();                                          // in a signal handler
//   bell.drain();                                         // loop thread, when fd() is readable
//
// Signal handlers may not call libzmq, hence this second doorbell beside Waker. A ring is a hint,
// never a count. In a forked child ring() and drain() are no-ops: the eventfd is shared with the
// parent.
//
// Threads: ring() anywhere, the rest on the loop thread. Destroy it only when no handler can ring
//          any more.
// Owns: the eventfd, non-blocking and close-on-exec.
// Errors: the constructor throws std::system_error naming eventfd. Nothing else fails.
// Internal.

#ifndef ZMQLOOP_POLLER_SIGNAL_DOORBELL_H_
#define ZMQLOOP_POLLER_SIGNAL_DOORBELL_H_

#include <cstdint>

namespace zmqloop {

class SignalDoorbell {
 public:
  SignalDoorbell();
  ~SignalDoorbell();
  SignalDoorbell(const SignalDoorbell&) = delete;
  SignalDoorbell& operator=(const SignalDoorbell&) = delete;

  // ---- signal handler, any thread ----

  // Makes fd() readable. Async-signal-safe: one load and one write(2), repeated if interrupted.
  // Leaves errno as it was. If the counter is full (EAGAIN), fd() is readable already.
  void ring() noexcept;

  // ---- loop thread ----

  // Consumes all rings so far, so that fd() is silent until the next one.
  void drain() noexcept;

  // Returns the descriptor to watch for kRead.
  int fd() const noexcept { return fd_; }

 private:
  // Constant after construction.
  const std::uint32_t generation_;
  const int fd_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_SIGNAL_DOORBELL_H_
