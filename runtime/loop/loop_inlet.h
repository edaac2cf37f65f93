// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The side of a loop that any thread may use: it hands work to the loop.
//
//   loop.add_callback(f, arguments…);                      // f runs on the loop's thread
//   if (loop.try_add_callback(f) == PostOutcome::kFull) …  // unless too many posts wait already
//   Future<int> answer = loop.submit([] { return 42; });   // and its result comes back
//   loop.add_future(answer, [](Future<int> ready) { … });  // on the loop, once it is ready
//
// A callable may return a Task or a Future. The loop then runs that to its end and keeps the
// callable and its bound arguments alive until then. Its exception goes into the future that the
// call returns, or else to IOLoop::handle_callback_exception().
//
// Threads: any; where marked, signal handlers too. Futures and prepared callbacks that outlive the
// loop may use all of this while the loop is closed and destroyed.
// Owns: with the loop, the callables given to it, until they have run or the loop is closed.
// Errors: std::invalid_argument for null callables and empty futures; exceptions of the callable's
// copy or move; std::bad_alloc. A closed loop is reported as a value (false), or as LoopClosedError
// in the future.
// Public, as part of IOLoop.

#ifndef ZMQLOOP_RUNTIME_LOOP_LOOP_INLET_H_
#define ZMQLOOP_RUNTIME_LOOP_LOOP_INLET_H_

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "zmqloop/runtime/basics/async_result.h"
#include "zmqloop/runtime/basics/callable_check.h"
#include "zmqloop/runtime/core/loop_core.h"
#include "zmqloop/runtime/core/loop_options.h"
#include "zmqloop/runtime/futures/future.h"
#include "zmqloop/runtime/futures/future_callback.h"
#include "zmqloop/runtime/signals/signal_callback.h"
#include "zmqloop/runtime/tasks/callback_task.h"
#include "zmqloop/runtime/tasks/deferred_post.h"
#include "zmqloop/runtime/tasks/schedule.h"
#include "zmqloop/runtime/tasks/spawned_task.h"
#include "zmqloop/runtime/tasks/submission.h"
#include "zmqloop/runtime/tasks/task.h"
#include "zmqloop/threading/mailbox/one_shot.h"

namespace zmqloop {

class LoopInlet {
 public:
  // Posts a callback, with arguments bound to it as std::thread binds them. It runs in the loop's
  // next iteration, or in a later one if turn_budget is used up first. Never blocks on the loop and
  // never runs user code in this call. If one post returns before another begins, on any threads,
  // it runs first. Returns false once the loop is closed; the callable is then destroyed unrun.
  // (tornado: add_callback)
  template <class F, class... A>
  requires CallableWith<F, A...>
  bool add_callback(F&& f, A&&... arguments) {
    require_callable("IOLoop::add_callback", f);
    return post(one_shot::bind(std::forward<F>(f), std::forward<A>(arguments)...));
  }
  // Posts as add_callback does, unless Options::max_pending posts of any kind wait: then returns
  // kFull and moves nothing out of `f` and the arguments. Posters that find room at the same time
  // may each exceed the limit by one. Costs one more atomic load than add_callback.
  template <class F, class... A>
  requires CallableWith<F, A...>
  [[nodiscard]] PostOutcome try_add_callback(F&& f, A&&... arguments) {
    require_callable("IOLoop::try_add_callback", f);
    if (core_->is_full()) return PostOutcome::kFull;
    const bool accepted = post(one_shot::bind(std::forward<F>(f), std::forward<A>(arguments)...));
    return accepted ? PostOutcome::kAccepted : PostOutcome::kClosed;
  }
  // Calls `f` once, on this loop, as soon as fewer than `below` posts wait; use it to go on after
  // kFull. Half of Options::max_pending is a good `below`; 1 means once no post waits; 0 is
  // std::invalid_argument. The call comes after the timers of an iteration that no stop ends, never
  // from within this function. Waiters that have room are called in the order in which they asked.
  // A waiter is no post: it has no place in their order and does not count towards the limit.
  // Returns false once the loop is closed. If the loop closes later, before there is room, `f` is
  // destroyed without a call and counts as abandoned. So if a thread waits for `f`, let `f` own a
  // Promise<void>: its future then receives BrokenPromiseError.
  template <CallableWith F>
  bool call_when_below(std::uint64_t below, F&& f) {
    require_callable("IOLoop::call_when_below", f);
    if (below == 0) {
      throw std::invalid_argument("IOLoop::call_when_below: 'below' must be at least 1, which means "
                                  "once no post waits");
    }
    using D = std::decay_t<F>;
    return core_->call_when_below(
        {below, &typeid(typename one_shot::ReportedType<D>::type),
         one_shot::once(run_to_end(*core_.get(), D(std::forward<F>(f))))});
  }
  // Same as add_callback, since C++ has no ambient context to shed. (tornado: spawn_callback)
  template <class F, class... A>
  requires CallableWith<F, A...>
  bool spawn_callback(F&& f, A&&... arguments) {
    return add_callback(std::forward<F>(f), std::forward<A>(arguments)...);
  }

  // Posts from a signal handler, or anywhere else: async-signal-safe, errno is kept. Takes
  // trivially copyable callables of at most 48 bytes, or 40 if they return a Task or Future.
  // Accepted ones run first in, first out. Returns false if Options::signal_slots of them wait
  // already, or the loop is closed. (tornado: same name)
  template <CallableWith F>
  bool add_callback_from_signal(F&& f) noexcept {
    const std::decay_t<F>& callable = f;  // for a function: its address
    if (one_shot::is_null(callable)) return false;
    return core_->post_from_signal(run_to_end(*core_.get(), callable));
  }
  // Prepares a callable of any kind for signal handlers, which call raise() on the returned object.
  // `f` takes nothing, or the number of raises that the call answers. Do not call this function in
  // a signal handler. std::length_error if no signal slot is left.
  template <CallableWithOrWithout<std::uint64_t> F>
  SignalCallback prepare_signal_callback(F&& f) {
    require_callable("IOLoop::prepare_signal_callback", f);
    return {core_, PreparedCallback::Calls::kOnceForAll,
            run_each_to_end<std::uint64_t>(*core_, std::forward<F>(f)),
            "IOLoop::prepare_signal_callback", name()};
  }

  // Posts `f` and returns a future for its result or exception, or for that of the task or future
  // it returns. If the loop is closed first, the future receives LoopClosedError. `f` is destroyed
  // before the future is ready.
  template <CallableAgainWith F>
  auto submit(F&& f) -> Future<AwaitedResult<std::decay_t<F>&>> {
    constexpr const char* kOperation = "IOLoop::submit";
    using D = std::decay_t<F>;
    require_callable(kOperation, f);
    if constexpr (kReturnsAsync<D&>) {
      return start_task<D>(core_, await_call<D>(std::forward<F>(f)), kOperation);
    } else {
      Submission<D> submission(std::forward<F>(f), kOperation, core_);
      auto future = submission.get_future();
      static_cast<void>(core_->post(std::move(submission)));
      return future;
    }
  }

  // Calls `f(future)` on this loop once the future is ready: always later, never from within this
  // call. If the loop is closed by then, `f` is destroyed unrun. (tornado: add_future)
  template <class T, CallableAgainWith<Future<T>> F>
  void add_future(Future<T> future, F&& f) {
    require_callable("IOLoop::add_future", f);
    if (!future.valid()) throw std::invalid_argument("IOLoop::add_future: empty future");
    FutureCallback<T, std::decay_t<F>> callback{std::forward<F>(f), future};
    future.on_ready(DeferredPost(core_, run_to_end(*core_, std::move(callback))));
  }

  // Runs `f` on a loop of `pool`, where it may block. Returns a future that becomes ready on this
  // loop's thread; it receives LoopClosedError if either loop is closed first. (tornado:
  // run_in_executor)
  template <class Pool, CallableAgainWith F>
  auto run_in_executor(Pool& pool, F&& f) {
    static_assert(!kIsTask<std::decay_t<std::invoke_result_t<std::decay_t<F>&>>>,
                  "run_in_executor is for functions that block, and a coroutine blocks nobody: use "
                  "spawn(loop, f), or pool.submit(f) to run it on a loop of the pool");
    require_callable("IOLoop::run_in_executor", f);
    return submit_when_ready("IOLoop::run_in_executor", pool.submit(std::forward<F>(f)),
                             [](auto ready) { return std::move(ready).get(); });
  }

  // Called by Future::then().
  template <class T, CallableAgainWith<Future<T>> F>
  auto continue_with(const Future<T>& future, F&& f) {
    require_callable("Future::then", f);
    return submit_when_ready("Future::then", future, std::forward<F>(f));
  }

  // co_await loop.schedule(), in a Task: continues on this loop.
  Schedule schedule() const noexcept { return {core_}; }

  // Returns the name given in the options, or a generated one.
  const std::string& name() const noexcept { return core_->affinity().name(); }

  // Internal: the part that outlives the loop, as long as anything refers to it.
  const std::shared_ptr<LoopCore>& core() const noexcept { return core_; }

 protected:
  explicit LoopInlet(std::shared_ptr<LoopCore> core) : core_(std::move(core)) {}
  ~LoopInlet() = default;

  // Constant after construction.
  const std::shared_ptr<LoopCore> core_;  // shared with futures and callbacks that outlive the loop

 private:
  template <class F>
  bool post(F&& f) {
    LoopCore& loop = *core_.get();  // without the null check of operator*, for each post
    return loop.post(run_to_end(loop, std::forward<F>(f)));
  }

  // Posts `f(future)` once the future is ready; returns a future for the result of `f`.
  template <class T, class F>
  auto submit_when_ready(const char* operation, const Future<T>& future, F&& f) {
    using Callback = FutureCallback<T, std::decay_t<F>>;
    Callback callback{std::forward<F>(f), future};
    if constexpr (kReturnsAsync<Callback&>) {
      auto task = await_call<Callback>(std::move(callback));
      using Run = SpawnedTask<typename decltype(task)::value_type, Callback>;
      const auto run = Run::make(core_, std::move(task), operation);
      future.on_ready(DeferredPost(core_, run->begin()));
      return run->get_future();
    } else {
      Submission<Callback> submission(std::move(callback), operation, core_);
      auto result = submission.get_future();
      future.on_ready(DeferredPost(core_, std::move(submission)));
      return result;
    }
  }
};

// Runs a task on a loop and returns a future for its result; it receives LoopClosedError if the
// loop is closed first. Any thread. If the future was dropped, an exception of the task is reported
// to the loop.
template <class T>
Future<T> spawn(LoopInlet& loop, Task<T> task) {
  return start_task<Task<T>>(loop.core(), std::move(task), "spawn");
}

// The same for a function that makes the task. The function lives as long as the task, so it may be
// a lambda with captures.
template <class F>
requires kIsTask<std::decay_t<std::invoke_result_t<std::decay_t<F>&>>>
auto spawn(LoopInlet& loop, F&& make_task) {
  using D = std::decay_t<F>;
  require_callable("spawn", make_task);
  return start_task<D>(loop.core(), await_call<D>(std::forward<F>(make_task)), "spawn");
}

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_LOOP_LOOP_INLET_H_
