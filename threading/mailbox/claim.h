// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Lets a thread say that it is at work on something. Saying so is frequent and must cost nothing;
// asking is rare and may cost a system call.
//
//   claim.take(me);                            // the frequent side
//   if (!closed.load()) work();
//   claim.drop();
//
//   closed.store(true);                        // the rare side
//   const void* const holder = claim.holder();
//
// One side calls take(), then reads another word. The other changes that word (seq_cst), then calls
// holder(). At least one sees the other.
//
// Threads: any; one at a time has the claim.
// Internal.

#ifndef ZMQLOOP_THREADING_MAILBOX_CLAIM_H_
#define ZMQLOOP_THREADING_MAILBOX_CLAIM_H_

#include <atomic>

#include "zmqloop/threading/host/process_fence.h"
#include "zmqloop/threading/mailbox/primitives.h"

namespace zmqloop {

class Claim {
 public:
  // Makes `me` the holder: an address that is the calling thread's alone.
  void take(const void* me) noexcept {
    if (is_fenced_by_others_) [[likely]] {
      // relaxed, and a fence for the compiler only: holder() makes this thread pass the real one.
      holder_.store(me, std::memory_order_relaxed);
      std::atomic_signal_fence(std::memory_order_seq_cst);
    } else {
      // seq_cst: pairs with the load in holder(). The scheduler of tests/schedule/ has no late
      // stores; model loop_affinity has, and needs this order.
      holder_.store(me, std::memory_order_seq_cst);
    }
  }
  void drop() noexcept {
    // release: a caller that finds no holder sees the last one's writes; pairs with the load in
    // holder().
    holder_.store(nullptr, std::memory_order_release);
  }
  bool is_held_by(const void* me) const noexcept {
    // relaxed: equal only if the calling thread itself stored it.
    return holder_.load(std::memory_order_relaxed) == me;
  }
  // Returns the holder's address, null if there is none, or an address of no thread if the kernel
  // does not tell. A thread that takes the claim later sees all that the caller changed by a
  // seq_cst operation before this call.
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
