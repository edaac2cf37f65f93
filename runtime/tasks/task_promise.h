// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The promise types behind Task<T>: the state of a coroutine, and the types it may await.
//
// A coroutine knows its run and its home, the loop it executes on. It starts on its awaiter's home;
// co_await loop.schedule() moves it; after every other co_await it continues at home.
//
// Awaiting another task runs it at once, on the awaiter's stack, until it first suspends. Both ends
// then meet in one exchange: either the awaiter finds the result there and goes on, or the task's
// end resumes the awaiter. So a task that never suspends costs no stack, in unoptimised builds too.
//
// Threads: a coroutine's members belong to the thread it executes on; meeting_ is shared.
// Internal.

#ifndef ZMQLOOP_RUNTIME_TASKS_TASK_PROMISE_H_
#define ZMQLOOP_RUNTIME_TASKS_TASK_PROMISE_H_

#include <atomic>
#include <coroutine>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

#include "zmqloop/runtime/core/loop_core.h"
#include "zmqloop/runtime/tasks/task_awaiters.h"
#include "zmqloop/runtime/tasks/task_run.h"

namespace zmqloop {

template <class T>
class Task;

class TaskPromiseBase {
 public:
  // Makes this the outermost coroutine of a run.
  void begin(TaskRun& run, std::shared_ptr<LoopCore> home) noexcept {
    run_ = &run;
    home_ = std::move(home);
  }
  // Makes this a coroutine that another one awaits.
  void begin(TaskPromiseBase& awaiter, std::coroutine_handle<> awaiter_coroutine) noexcept {
    begin(*awaiter.run_, awaiter.home_);
    awaiter_ = &awaiter;
    awaiter_coroutine_ = awaiter_coroutine;
  }

  const std::shared_ptr<LoopCore>& home() const noexcept { return home_; }
  // Returns the previous home.
  std::shared_ptr<LoopCore> move_to(std::shared_ptr<LoopCore> home) noexcept {
    return std::exchange(home_, std::move(home));
  }

  // Returns the resumption of this coroutine; `self` is its handle.
  Resumption resumption(std::coroutine_handle<> self) const {
    return {run_->shared_from_this(), self};
  }

  // Called by the awaiter after it has started this coroutine. Returns whether the result is there;
  // if not, the awaiter is resumed once it is.
  bool met_finished() noexcept {
    return meeting_.exchange(Meeting::kAwaited) == Meeting::kFinished;
  }

  std::suspend_always initial_suspend() const noexcept { return {}; }

  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class P>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<P> self) const noexcept {
      return self.promise().finished();
    }
    void await_resume() const noexcept {}
  };
  FinalAwaiter final_suspend() const noexcept { return {}; }

 protected:
  TaskPromiseBase() = default;
  ~TaskPromiseBase() = default;

 private:
  enum class Meeting : unsigned char { kStarted, kAwaited, kFinished };

  // Returns the coroutine that goes on here, at the end of this one.
  std::coroutine_handle<> finished() noexcept {
    if (awaiter_ == nullptr) {
      run_->finish();
      return std::noop_coroutine();
    }
    if (meeting_.exchange(Meeting::kFinished) == Meeting::kStarted) return std::noop_coroutine();
    if (awaiter_->home_ == home_) return awaiter_coroutine_;
    // If this fails, no caller can handle it: std::bad_alloc out of a noexcept function ends the
    // process.
    static_cast<void>(
        awaiter_->home_->post_even_without_memory(awaiter_->resumption(awaiter_coroutine_)));
    return std::noop_coroutine();
  }

  TaskRun* run_ = nullptr;
  std::shared_ptr<LoopCore> home_;
  TaskPromiseBase* awaiter_ = nullptr;
  std::coroutine_handle<> awaiter_coroutine_;
  std::atomic<Meeting> meeting_{Meeting::kStarted};
};

template <class T>
class TaskPromise : public TaskPromiseBase {
  static constexpr bool kVoid = std::is_void_v<T>;

 public:
  using Stored = std::conditional_t<kVoid, std::monostate, T>;

  Task<T> get_return_object() noexcept;
  // A thread that is cancelled, or calls pthread_exit(), unwinds with no exception_ptr: let it go
  // on.
  void unhandled_exception() {
    std::exception_ptr error = std::current_exception();
    if (error == nullptr) throw;
    result_.template emplace<2>(std::move(error));
  }

  template <class U>
  TaskAwaiter<U> await_transform(Task<U>&& task) const {
    task.require_valid();
    return {std::move(task)};
  }
  template <class U>
  void await_transform(Task<U>&) const =
      delete;  // a task is awaited once: co_await std::move(task)
  template <class U>
  FutureAwaiter<U, true> await_transform(Future<U>&& future) const {
    return {std::move(future)};
  }
  template <class U>
  FutureAwaiter<U, false> await_transform(const Future<U>& future) const {
    return {future};
  }
  template <class U>
  FutureEndAwaiter<U> await_transform(FutureEnd<U>&& end) const {
    return {{std::move(end.future)}};
  }
  SleepAwaiter await_transform(Sleep sleep) const noexcept { return {sleep.deadline}; }
  ScheduleAwaiter await_transform(Schedule schedule) const noexcept {
    return {std::move(schedule.core), home()};
  }

  // Returns the exception that ended the coroutine, or null.
  std::exception_ptr error() const noexcept {
    return result_.index() == 2 ? std::get<2>(result_) : nullptr;
  }
  // Returns the result or throws the exception that ended the coroutine; once.
  T take() {
    if (result_.index() == 2) std::rethrow_exception(std::get<2>(result_));
    if constexpr (!kVoid) return std::move(std::get<1>(result_));
  }

 protected:
  std::variant<std::monostate, Stored, std::exception_ptr> result_;
};

// co_return for values and for nothing.
template <class T>
class TaskPromiseOf : public TaskPromise<T> {
 public:
  template <class U>
  void return_value(U&& value) {
    this->result_.template emplace<1>(std::forward<U>(value));
  }
};
template <>
class TaskPromiseOf<void> : public TaskPromise<void> {
 public:
  void return_void() noexcept {}
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_TASKS_TASK_PROMISE_H_
