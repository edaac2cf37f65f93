// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A thread's word that it is at work on something, given so often that it may cost nothing, and
// asked for so seldom that this may cost a system call.
//
//   the many:   claim.take(me);            the few:   has = closed.exchange(true);
//               if (closed) ...                       who = claim.holder();
//               claim.drop();
//
// Of take() before a look at another word, and a change of that word before holder(), at least one
// sees the other.
//
// Threads: any; one at a time has it. Internal.

#ifndef ZMQLOOP_THREADING_MAILBOX_CLAIM_H_
#define ZMQLOOP_THREADING_MAILBOX_CLAIM_H_

#include <atomic>

#include "zmqloop/threading/host/process_fence.h"
#include "zmqloop/threading/mailbox/primitives.h"

namespace zmqloop {

class Claim {
 public:
  // Has the claim be `me`, an address that is the calling thread's alone.
  void take(const void* me) noexcept {
    if (is_fenced_by_others_) [[likely]] {
      // relaxed, and a fence for the compiler alone: holder() has this thread make the real one.
      holder_.store(me, std::memory_order_relaxed);
      std::atomic_signal_fence(std::memory_order_seq_cst);
    } else {
      // seq_cst: pairs with the load of holder(). The scheduler of tests/schedule/ has no late
      // stores; model loop_affinity does, and needs it.
      holder_.store(me, std::memory_order_seq_cst);
    }
  }
  void drop() noexcept {
    // release: who finds no holder finds what the last one did; pairs with the load of holder().
    holder_.store(nullptr, std::memory_order_release);
  }
  bool is_held_by(const void* me) const noexcept {
    // relaxed: equal only if the calling thread itself has stored it.
    return holder_.load(std::memory_order_relaxed) == me;
  }
  // Returns the address of who has it, null if nobody does, or an address of no thread if the
  // kernel does not tell. What the caller has changed by a seq_cst operation before, who takes it
  // later sees.
  const void* holder() const noexcept {
    if (is_fenced_by_others_ && !fence_process()) return this;
    return holder_.load(std::memory_order_seq_cst);  // acquire for drop(), seq_cst for take()
  }

 private:
  const bool is_fenced_by_others_ = can_fence_process();
  Atom<const void*> holder_{nullptr};
};

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_MAILBOX_CLAIM_H_
