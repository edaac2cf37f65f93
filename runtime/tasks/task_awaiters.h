// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The awaiters of this library's coroutines: for futures, times, other loops and other tasks.
//
// Once await_suspend() has handed out the resumption, the coroutine may run, and end, on another
// thread. So await_suspend() touches nothing of the coroutine after that. It is not inlined,
// because some compilers would then keep its variables in the coroutine.
//
// Threads: the coroutine's home loop's; a future may become ready on any.
// Errors: those of the awaited object; std::bad_alloc when the wait begins, with nothing changed.
// Internal.

#ifndef ZMQLOOP_RUNTIME_TASKS_TASK_AWAITERS_H_
#define ZMQLOOP_RUNTIME_TASKS_TASK_AWAITERS_H_

#include <coroutine>
#include <exception>
#include <memory>
#include <utility>

#include "zmqloop/runtime/basics/times.h"
#include "zmqloop/runtime/core/loop_core.h"
#include "zmqloop/runtime/futures/future.h"
#include "zmqloop/runtime/tasks/deferred_post.h"
#include "zmqloop/runtime/tasks/schedule.h"

namespace zmqloop {

template <class T>
class Task;

// If the future is given away and nobody else holds it, its value is moved out. If the caller keeps
// it, its value is copied.
template <class T, bool kGivenAway>
struct FutureAwaiter {
  Future<T> future;

  bool await_ready() const { return future.is_ready(); }
  template <class P>
  [[gnu::noinline]] void await_suspend(std::coroutine_handle<P> self) const {
    future.on_ready(DeferredPost(self.promise().home(), self.promise().resumption(self)));
  }
  T await_resume() {
    if constexpr (kGivenAway) {
      return std::move(future).get_or_copy();
    } else {
      return future.get();
    }
  }
};

// Awaits the end of a future, and leaves its value in place.
template <class T>
struct FutureEnd {
  Future<T> future;
};
template <class T>
struct FutureEndAwaiter : FutureAwaiter<T, false> {
  void await_resume() const {
    if (const std::exception_ptr error = this->future.exception()) std::rethrow_exception(error);
  }
};

struct SleepAwaiter {
  Deadline deadline;

  bool await_ready() const noexcept { return false; }
  template <class P>
  [[gnu::noinline]] void await_suspend(std::coroutine_handle<P> self) const {
    LoopCore& home = *self.promise().home();
    home.timers().add(deadline.from(home.now()), self.promise().resumption(self));
  }
  void await_resume() const noexcept {}
};

struct ScheduleAwaiter {
  std::shared_ptr<LoopCore> to;
  const std::shared_ptr<LoopCore>& home;

  bool await_ready() const noexcept { return home == to; }
  template <class P>
  [[gnu::noinline]] void await_suspend(std::coroutine_handle<P> self) const {
    // On the stack, because this awaiter may be gone once the resumption is posted.
    const std::shared_ptr<LoopCore> there = to;
    std::shared_ptr<LoopCore> here = self.promise().move_to(there);
    try {
      static_cast<void>(there->post_even_without_memory(self.promise().resumption(self)));
    } catch (...) {
      self.promise().move_to(std::move(here));  // it goes on there, with the exception
      throw;
    }
  }
  void await_resume() const noexcept {}
};

template <class T>
struct TaskAwaiter {
  Task<T> task;

  bool await_ready() const noexcept { return false; }
  template <class P>
  [[gnu::noinline]] bool await_suspend(std::coroutine_handle<P> self) {
    auto& awaited = task.coroutine_.promise();
    awaited.begin(self.promise(), self);
    task.coroutine_.resume();
    return !awaited.met_finished();
  }
  T await_resume() { return task.coroutine_.promise().take(); }
};

// Returned by sleep_for() and sleep_until().
struct Sleep {
  Deadline deadline;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_TASKS_TASK_AWAITERS_H_
