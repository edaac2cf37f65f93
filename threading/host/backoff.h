// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Waits for another thread's next few instructions.
//
//   for (Backoff backoff; !done(); backoff.step()) continue;
//
// Spins first, then lets threads of the same priority have the core, then leaves it: the thread
// that is waited for may have a lower priority and share this core, where spinning or yielding
// would keep it from ever going on.
//
// Threads: a value of one thread. Keeps errno.
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
