// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Callables that wait until a loop has fewer pending posts: IOLoop::call_when_below().
//
// Threads: add() any; the rest on the loop thread.
// Owns: the callables, until they are called or the loop is closed; destroyed outside the lock.
// Errors: none.
// Internal.

#ifndef ZMQLOOP_RUNTIME_CORE_ROOM_WAITERS_H_
#define ZMQLOOP_RUNTIME_CORE_ROOM_WAITERS_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <typeinfo>
#include <utility>

#include "absl/functional/any_invocable.h"

#include "zmqloop/threading/mailbox/primitives.h"

namespace zmqloop {

class RoomWaiters {
 public:
  struct Waiter {
    std::uint64_t below;
    const std::type_info* type;
    absl::AnyInvocable<void()> callable;
  };

  using List = std::list<Waiter>;

  // ---- any thread ----

  // Moves the one waiter of the list in, without a call of user code; false once closed. Not for
  // forked children, where the lock may be held.
  bool add(List& one) noexcept {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    added_.splice(added_.end(), one);
    return true;
  }

  // ---- loop thread ----

  // Takes in the added waiters. Needs no memory.
  void collect() noexcept {
    const std::lock_guard lock(mutex_);
    waiting_.splice(waiting_.end(), added_);
  }
  std::size_t size() const noexcept { return waiting_.size(); }
  bool empty() const noexcept { return waiting_.empty(); }

  // Starts a pass over the waiters, in the order they were added.
  void begin_pass() noexcept { next_ = waiting_.begin(); }
  // Takes out and returns the next waiter of the pass for which `pending` is low enough.
  std::optional<Waiter> take_next(std::uint64_t pending) {
    while (next_ != waiting_.end()) {
      const auto waiter = next_++;
      if (pending >= waiter->below) continue;
      std::optional<Waiter> taken(std::move(*waiter));
      waiting_.erase(waiter);
      return taken;
    }
    return std::nullopt;
  }

  // Refuses all later waiters and destroys those that wait; returns how many.
  std::size_t close() noexcept {
    List added;
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
      added.swap(added_);
    }
    const std::size_t count = added.size() + waiting_.size();
    added.clear();
    waiting_.clear();
    return count;
  }

 private:
  // Guarded by mutex_.
  Mutex mutex_;
  List added_;
  bool closed_ = false;

  // Loop thread only.
  List waiting_;
  List::iterator next_ = waiting_.begin();
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_CORE_ROOM_WAITERS_H_
