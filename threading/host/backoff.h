// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Waits briefly, until another thread has run its next few instructions.
//
//   for (Backoff backoff; !done(); backoff.step()) continue;
//
// Spins first, then yields to threads of the same priority, then sleeps for a moment: the other
// thread may share this core at a lower priority, and spinning or yielding would starve it.
//
// Threads: used by one thread. Keeps errno.
// Internal.

#ifndef ZMQLOOP_THREADING_HOST_BACKOFF_H_
#define ZMQLOOP_THREADING_HOST_BACKOFF_H_

#include "zmqloop/threading/host/cpu_hints.h"

namespace zmqloop {

class Backoff {
 public:
  void step() noexcept {
    if (steps_ >= kSpins + kYields) return rest_core();
    if (steps_++ < kSpins) {
      cpu_relax();
    } else {
      yield_core();
    }
  }

 private:
  static constexpr int kSpins = 64;
  static constexpr int kYields = 64;
  int steps_ = 0;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_BACKOFF_H_
