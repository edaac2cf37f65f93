// The promise types behind Task<T>: what a coroutine of this library knows and may await.
//
// A coroutine knows its run and its home, the loop it executes on: it starts on its awaiter's home,
// co_await loop.schedule() moves it, and whatever it awaits, it continues at home.
//
// Awaiting another task runs it at once, on the awaiter's stack, until it first suspends. Both ends
// then meet in one exchange: the awaiter either finds the result there and goes on, or is resumed
// by the task's end. So a task that never suspends costs no stack, in unoptimised builds too.
//
// Threads: a coroutine's members belong to the thread it executes on; meeting_ is shared.
// Internal.

#ifndef ZMQLOOP_RUNTIME_TASK_PROMISE_H_
#define ZMQLOOP_RUNTIME_TASK_PROMISE_H_

#include <atomic>
#include <coroutine>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

#include "zmqloop/runtime/deferred_post.h"
#include "zmqloop/runtime/future.h"
#include "zmqloop/runtime/loop_core.h"
#include "zmqloop/runtime/schedule.h"
#include "zmqloop/runtime/task_run.h"
#include "zmqloop/runtime/times.h"

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
  // Returns the home so far.
  std::shared_ptr<LoopCore> move_to(std::shared_ptr<LoopCore> home) noexcept {
    return std::exchange(home_, std::move(home));
  }

  // Returns what resumes this coroutine, whose handle is given.
  Resumption resumption(std::coroutine_handle<> self) const {
    return {run_->shared_from_this(), self};
  }

  // Called by the awaiter after it has started this coroutine: whether the result is there. If not,
  // the awaiter is resumed when it is.
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
    // There is nobody to tell if that fails: std::bad_alloc out of a noexcept function ends the
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

// ---- what a coroutine may await ----
//
// Once await_suspend() has handed out the resumption, the coroutine may run, and end, on another
// thread: it touches nothing of it any more. Not inlined, for compilers that would keep its
// variables in the coroutine.

// A future given away gives its value away; one that the caller keeps is copied from.
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
      return std::move(future).get();
    } else {
      return future.get();
    }
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
    // On the stack, for this awaiter may be gone once it is posted.
    const std::shared_ptr<LoopCore> there = to;
    std::shared_ptr<LoopCore> here = self.promise().move_to(there);
    try {
      static_cast<void>(there->post_even_without_memory(self.promise().resumption(self)));
    } catch (...) {
      self.promise().move_to(std::move(here));  // and goes on there, with the exception
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

// ---- the promise ----

template <class T>
class TaskPromise : public TaskPromiseBase {
  static constexpr bool kVoid = std::is_void_v<T>;

 public:
  using Stored = std::conditional_t<kVoid, std::monostate, T>;

  Task<T> get_return_object() noexcept;
  void unhandled_exception() noexcept { result_.template emplace<2>(std::current_exception()); }

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
  SleepAwaiter await_transform(Sleep sleep) const noexcept { return {sleep.deadline}; }
  ScheduleAwaiter await_transform(Schedule schedule) const noexcept {
    return {std::move(schedule.core), home()};
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

#endif  // ZMQLOOP_RUNTIME_TASK_PROMISE_H_
