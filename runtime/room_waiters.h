// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Callables that wait until fewer posts wait for a loop: IOLoop::call_when_below().
//
// Threads: add() any; the rest on the loop thread.
// Owns: the callables, until they are called or the loop is closed; destroyed outside the lock.
// Errors: std::bad_alloc from add(), with nothing added.
// Internal.

#ifndef ZMQLOOP_RUNTIME_ROOM_WAITERS_H_
#define ZMQLOOP_RUNTIME_ROOM_WAITERS_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <typeinfo>
#include <utility>

#include "absl/functional/any_invocable.h"

#include "zmqloop/threading/primitives.h"

namespace zmqloop {

class RoomWaiters {
 public:
  struct Waiter {
    std::uint64_t below;
    const std::type_info* type;
    absl::AnyInvocable<void()> callable;
  };

  // ---- any thread ----

  // Moves the waiter in; false once closed. Not in a forked child, where the lock may be held.
  bool add(Waiter& waiter) {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    added_.push_back(std::move(waiter));
    return true;
  }

  // ---- loop thread ----

  // Takes in what was added. Needs no memory.
  void collect() noexcept {
    const std::lock_guard lock(mutex_);
    waiting_.splice(waiting_.end(), added_);
  }
  // Returns, once, a waiter for which `pending` are few enough: the first that was added.
  std::optional<Waiter> take_one(std::uint64_t pending) {
    for (auto waiter = waiting_.begin(); waiter != waiting_.end(); ++waiter) {
      if (pending >= waiter->below) continue;
      std::optional<Waiter> taken(std::move(*waiter));
      waiting_.erase(waiter);
      return taken;
    }
    return std::nullopt;
  }
  bool empty() const noexcept { return waiting_.empty(); }

  // Refuses all later ones and destroys those that wait; returns how many.
  std::size_t close() noexcept {
    std::list<Waiter> added;
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
  std::list<Waiter> added_;
  bool closed_ = false;

  // Loop thread only.
  std::list<Waiter> waiting_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_ROOM_WAITERS_H_
