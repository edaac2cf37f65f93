// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Lets callbacks return a Task or a Future where the loop calls them and uses no result: the loop
// runs it to its end, and its exception goes to IOLoop::handle_callback_exception(). (tornado:
// coroutines given as callbacks)
//
//   core.post(run_to_end(core, f));                    // f itself, if it returns neither
//   core.post(run_to_end(core, one_shot::bind(f, x))); // the arguments live as long, too
//
// If such a task has moved to another loop and that loop closes, the task is destroyed. Then
// LoopClosedError is reported on the callback's own loop, and code that waits for the task's end
// goes on.
//
// Threads: made on any, called on the loop's.
// Owns: the callable, until the returned task or future has ended, or the loop is closed.
// Internal.

#ifndef ZMQLOOP_RUNTIME_TASKS_CALLBACK_TASK_H_
#define ZMQLOOP_RUNTIME_TASKS_CALLBACK_TASK_H_

#include <functional>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "zmqloop/runtime/basics/async_result.h"
#include "zmqloop/runtime/basics/errors.h"
#include "zmqloop/runtime/core/loop_core.h"
#include "zmqloop/runtime/tasks/late_exception.h"
#include "zmqloop/runtime/tasks/spawned_task.h"
#include "zmqloop/runtime/tasks/task.h"
#include "zmqloop/runtime/tasks/task_run.h"
#include "zmqloop/threading/mailbox/one_shot.h"

namespace zmqloop {

// Posted to a task's own loop if the task was destroyed with another loop. If its own loop closes
// as well, nothing is reported.
template <class F>
struct TaskWasDestroyed {
  void operator()() const {
    throw LoopClosedError("the task that it has returned was on another loop, which was closed");
  }
};
template <class F>
struct one_shot::ReportedType<TaskWasDestroyed<F>> : one_shot::ReportedType<F> {};

// The run of a task that nobody awaits. F: the user's callable, for reports.
template <class F>
class CallbackTask final : public TaskRun {
 public:
  // Runs the task at once, until it first waits. On the loop's thread.
  static void start(LoopCore& core, Task<void> task) {
    const auto run = std::make_shared<CallbackTask>(core.shared_from_this(), std::move(task));
    auto& coroutine = run->task_.coroutine_;
    coroutine.promise().begin(*run, run->core_);
    Resumption(run, coroutine)();
  }

  CallbackTask(std::shared_ptr<LoopCore> core, Task<void> task)
      : core_(std::move(core)), task_(std::move(task)) {}
  ~CallbackTask() override {
    task_ = Task<void>();
    if (has_ended_ || was_unwound()) return;
    try {
      static_cast<void>(core_->post(TaskWasDestroyed<F>()));
    } catch (const std::bad_alloc&) {
      // No memory for a lane, so none to report it either.
    }
  }

  // On the loop, because the coroutine comes back here after each co_await.
  void finish() noexcept override {
    has_ended_ = true;
    std::exception_ptr error = task_.coroutine_.promise().error();
    task_ = Task<void>();
    if (error != nullptr) report_here<F>(*core_, std::move(error));
  }

 private:
  const std::shared_ptr<LoopCore> core_;
  Task<void> task_;
  bool has_ended_ = false;
};

// Calls `f` on the loop's thread, for objects that may be destroyed on any thread: at once if this
// is the loop's thread, not at all if the loop is closed.
template <class F>
void call_on_loop(LoopCore& core, F f) noexcept {
  if (core.affinity().is_closed()) return;
  if (core.affinity().is_here()) return f();
  try {
    static_cast<void>(core.post(std::move(f)));
  } catch (const std::bad_alloc&) {
    // No memory for a lane: `f` is not called, and code that waits for it waits for ever.
  }
}

// Returns what to await for the end of a callback's task or future. We do not need a future's value
// and leave it for others.
template <class T>
Task<T> end_of(Task<T> task) {
  return task;
}
template <class T>
FutureEnd<T> end_of(Future<T> future) {
  return {std::move(future)};
}

// A task that calls `f` and ends when the task or future it returns has ended.
template <class F>
Task<void> await_callback(F f) {
  static_cast<void>(co_await end_of(one_shot::invoke(f)));
}
template <class F, class... A>
Task<void> await_callback(std::shared_ptr<F> f, A... arguments) {
  static_cast<void>(co_await end_of(std::invoke(*f, std::move(arguments)...)));
}

// Wraps a callable that is called at most once.
template <class F>
struct RunToEnd {
  LoopCore* core;
  F f;
  void operator()() { CallbackTask<F>::start(*core, await_callback(std::move(f))); }
};
template <class F>
struct one_shot::ReportedType<RunToEnd<F>> : one_shot::ReportedType<F> {};

template <class F>
decltype(auto) run_to_end(LoopCore& core, F&& f) {
  if constexpr (AsyncResult<one_shot::Result<std::decay_t<F>>>::kIsAsync) {
    return RunToEnd<std::decay_t<F>>{&core, std::forward<F>(f)};
  } else {
    static_cast<void>(core);
    return std::forward<F>(f);
  }
}

// Calls `f`, which may be called any number of times, and runs its task or future to the end.
template <class F, class... A>
void start_callback(LoopCore& core, const std::shared_ptr<F>& f, A... arguments) {
  CallbackTask<F>::start(core, await_callback(f, std::move(arguments)...));
}

// Wraps a callable that may be called any number of times; calls overlap if their tasks have not
// ended.
template <class F>
class SharedRunToEnd {
 public:
  template <class G>
  SharedRunToEnd(LoopCore& core, G&& f)
      : core_(&core), f_(std::make_shared<F>(std::forward<G>(f))) {}
  template <class... A>
  requires std::is_invocable_v<F&, A...>
  void operator()(A... arguments) const {
    start_callback(*core_, f_, std::move(arguments)...);
  }

 private:
  LoopCore* core_;
  std::shared_ptr<F> f_;
};
template <class F>
struct one_shot::ReportedType<SharedRunToEnd<F>> : one_shot::ReportedType<F> {};

// Returns whether F returns a Task or Future when it is called with A, or with nothing if it does
// not take A.
template <class F, class... A>
constexpr bool returns_async() {
  if constexpr (std::is_invocable_v<F, A...>) {
    return kReturnsAsync<F, A...>;
  } else {
    return kReturnsAsync<F>;
  }
}

template <class... A, class F>
decltype(auto) run_each_to_end(LoopCore& core, F&& f) {
  if constexpr (returns_async<std::decay_t<F>&, A...>()) {
    return SharedRunToEnd<std::decay_t<F>>(core, std::forward<F>(f));
  } else {
    static_cast<void>(core);
    return std::forward<F>(f);
  }
}

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_TASKS_CALLBACK_TASK_H_
