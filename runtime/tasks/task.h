// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A function that waits without blocking its loop: a lazy C++20 coroutine.
//
//   Task<int> answer(IOLoop& database) {
//     co_await sleep_for(10ms);                              // the loop goes on meanwhile
//     int half = co_await database.submit([] { return 21; });
//     co_return half * 2;
//   }
//   int value = loop.run_sync([&] { return answer(database); });
//   Future<int> later = spawn(loop, answer(database));
//
// A task does nothing until it is awaited, spawned or given to run_sync. It may await another Task,
// a Future, sleep_for(), sleep_until() and loop.schedule(). After each co_await it continues on its
// home loop: the loop it was spawned on, or its awaiter's home. co_await other.schedule() makes
// `other` its home, at once if it is there already. An awaited task may move to another loop: its
// awaiter still continues at home.
//
// Threads: executes on its home loop's thread only. The object is a value of one thread. If a
// coroutine uses a thread_local variable on both sides of a co_await, clang may access the wrong
// thread's (llvm issue 63022): reach it through a function that is not inlined.
// Owns: the coroutine and its variables. A loop that closes destroys the tasks suspended on it,
// together with those that await them; the future of spawn() then receives LoopClosedError.
// Errors: exceptions of the body are thrown to its awaiter. Awaiting an empty task or future:
// std::logic_error.
// Public.

#ifndef ZMQLOOP_RUNTIME_TASKS_TASK_H_
#define ZMQLOOP_RUNTIME_TASKS_TASK_H_

#include <coroutine>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "zmqloop/runtime/basics/async_result.h"
#include "zmqloop/runtime/basics/times.h"
#include "zmqloop/runtime/tasks/task_promise.h"

namespace zmqloop {

template <class T>
class [[nodiscard]] Task {
  static_assert(!std::is_reference_v<T>, "a Task returns a value: use a pointer for references");

 public:
  using value_type = T;
  using promise_type = TaskPromiseOf<T>;

  Task() = default;  // empty
  Task(Task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      destroy();
      coroutine_ = std::exchange(other.coroutine_, nullptr);
    }
    return *this;
  }
  ~Task() { destroy(); }

  // Returns whether there is a coroutine to run.
  bool valid() const noexcept { return coroutine_ != nullptr; }

 private:
  using Coroutine = std::coroutine_handle<promise_type>;
  template <class U>
  friend class TaskPromise;
  template <class U>
  friend struct TaskAwaiter;
  template <class U, class Origin>
  friend class SpawnedTask;
  template <class F>
  friend class CallbackTask;

  explicit Task(Coroutine coroutine) noexcept : coroutine_(coroutine) {}

  void require_valid() const {
    if (!valid()) throw std::logic_error("Task: empty, or given away before");
  }
  void destroy() noexcept {
    if (coroutine_ != nullptr) coroutine_.destroy();
  }

  Coroutine coroutine_;
};

template <class T>
Task<T> TaskPromise<T>::get_return_object() noexcept {
  return Task<T>(
      std::coroutine_handle<TaskPromiseOf<T>>::from_promise(static_cast<TaskPromiseOf<T>&>(*this)));
}

template <class T>
inline constexpr bool kIsTask = false;
template <class T>
inline constexpr bool kIsTask<Task<T>> = true;

template <class T>
struct AsyncResult<Task<T>> {
  static constexpr bool kIsAsync = true;
  using value_type = T;
};

// ---- awaitables ----

// co_await sleep_for(d): continues after `d`, or later. If `d` is zero or less: in the loop's next
// iteration.
[[nodiscard]] inline Sleep sleep_for(AnyDuration duration) { return {Deadline(duration.value())}; }
[[nodiscard]] inline Sleep sleep_until(AnyTimePoint when) { return {Deadline(when.value())}; }

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_TASKS_TASK_H_
