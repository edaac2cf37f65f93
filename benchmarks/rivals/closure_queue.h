// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The queue for rivals that have none of their own: callables in a vector under a mutex, all taken
// at once.
//
// Threads: push() any, run_all() the loop's.
// Owns: the callables.
// Errors: std::bad_alloc.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_RIVALS_CLOSURE_QUEUE_H_
#define ZMQLOOP_BENCHMARKS_RIVALS_CLOSURE_QUEUE_H_

#include <cstddef>
#include <functional>
#include <mutex>
#include <new>
#include <type_traits>
#include <vector>

namespace zmqloop::bench {

template <class Callable>
class ClosureQueue {
 public:
  // Returns whether the queue was empty. If so, the caller must wake the loop, which then empties
  // the queue.
  template <class F>
  bool push(const F& f) {
    const std::lock_guard lock(mutex_);
    waiting_.emplace_back(f);
    return waiting_.size() == 1;
  }

  void run_all() {
    {
      const std::lock_guard lock(mutex_);
      running_.swap(waiting_);
    }
    for (Callable& callable : running_) callable();
    running_.clear();
  }

 private:
  std::mutex mutex_;
  std::vector<Callable> waiting_;  // guarded by mutex_
  std::vector<Callable> running_;  // the loop's only; empty between calls
};

// The queue that users typically write.
using FunctionQueue = ClosureQueue<std::function<void()>>;

// A callable so small and trivial that a hand-written queue need not allocate for it.
class InlineCallable {
 public:
  template <class F>
  explicit InlineCallable(const F& f)
      : run_([](void* callable) { (*static_cast<F*>(callable))(); }) {
    static_assert(sizeof(F) <= kBytes && std::is_trivially_copyable_v<F>);
    ::new (static_cast<void*>(storage_)) F(f);
  }
  void operator()() { run_(storage_); }

 private:
  static constexpr std::size_t kBytes = 32;

  void (*run_)(void*);
  alignas(void*) unsigned char storage_[kBytes];
};

using InlineQueue = ClosureQueue<InlineCallable>;

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_RIVALS_CLOSURE_QUEUE_H_
