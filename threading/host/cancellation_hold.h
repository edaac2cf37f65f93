// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Keeps pthread_cancel() from taking effect on this thread for a while.
//
//   const CancellationHold hold;
//   zmq_send(socket, data, size, 0);   // has a cancellation point, and must not be left half way
//
// A cancellation that arrives meanwhile takes effect at the thread's next cancellation point after
// the hold. For functions that must not throw, and for work that must not be left half done: a
// cancellation unwinds the thread from the middle of such a call.
//
// Threads: used by one thread. Async-signal-safe.
// Internal.

#ifndef ZMQLOOP_THREADING_HOST_CANCELLATION_HOLD_H_
#define ZMQLOOP_THREADING_HOST_CANCELLATION_HOLD_H_

#include <pthread.h>

namespace zmqloop {

class CancellationHold {
 public:
  CancellationHold() noexcept { ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  CancellationHold(const CancellationHold&) = delete;
  CancellationHold& operator=(const CancellationHold&) = delete;
  ~CancellationHold() { ::pthread_setcancelstate(before_, nullptr); }

 private:
  int before_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_CANCELLATION_HOLD_H_
