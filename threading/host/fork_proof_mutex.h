// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A mutex that a thread of the parent process cannot keep locked in a forked child.
//
// It remembers the generation of the process whose thread holds it. If a parent's thread held it at
// the fork, it counts as free in the child, so no pthread_atfork handler has to take it. The
// guarded data may then be half changed: either keep it consistent at every moment, or start it
// afresh in the child.
//
// Threads: any but signal handlers. Not recursive; for rare and short sections.
// Internal.

#ifndef ZMQLOOP_THREADING_HOST_FORK_PROOF_MUTEX_H_
#define ZMQLOOP_THREADING_HOST_FORK_PROOF_MUTEX_H_

#include <atomic>
#include <cstdint>

#include "zmqloop/threading/host/fork_guard.h"

namespace zmqloop {

class ForkProofMutex {
 public:
  constexpr ForkProofMutex() = default;
  ForkProofMutex(const ForkProofMutex&) = delete;
  ForkProofMutex& operator=(const ForkProofMutex&) = delete;

  void lock() noexcept {
    const std::uint32_t here = fork_generation();
    for (std::uint32_t holder = kFree; !holder_.compare_exchange_strong(holder, here);) {
      if (holder != here) continue;  // a parent's: the next attempt takes it over
      holder_.wait(here);
      holder = kFree;
    }
  }
  void unlock() noexcept {
    holder_ = kFree;
    holder_.notify_one();
  }

 private:
  static constexpr std::uint32_t kFree = 0;
  static_assert(kFirstGeneration != kFree);

  std::atomic<std::uint32_t> holder_{kFree};
};

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_FORK_PROOF_MUTEX_H_
