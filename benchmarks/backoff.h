// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Waits for another thread: spins first, then yields the core to it.
//
// Threads: each thread has its own.
// Errors: none.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_BACKOFF_H_
#define ZMQLOOP_BENCHMARKS_BACKOFF_H_

#include <sched.h>

#include "zmqloop/threading/host/cpu_hints.h"

namespace zmqloop::bench {

class Backoff {
 public:
  void wait() noexcept {
    if (waits_ < kSpins) {
      ++waits_;
      cpu_relax();
    } else {
      sched_yield();
    }
  }
  // Call this when the wait was successful: the next wait spins again.
  void reset() noexcept { waits_ = 0; }

 private:
  static constexpr int kSpins = 1024;  // some tens of microseconds
  int waits_ = 0;
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_BACKOFF_H_
