// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A task that runs on a loop and completes a future. Started by spawn() and run_sync(), and by
// submit() for callables that return tasks or futures.
//
// Threads: started on any; the rest on the task's loop.
// Owns: the task, until it has ended or its loop is closed.
// Internal.

#ifndef ZMQLOOP_RUNTIME_TASKS_SPAWNED_TASK_H_
#define ZMQLOOP_RUNTIME_TASKS_SPAWNED_TASK_H_

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "zmqloop/runtime/basics/async_result.h"
#include "zmqloop/runtime/basics/errors.h"
#include "zmqloop/runtime/core/loop_core.h"
#include "zmqloop/runtime/futures/future.h"
#include "zmqloop/runtime/tasks/late_exception.h"
#include "zmqloop/runtime/tasks/task.h"
#include "zmqloop/runtime/tasks/task_run.h"
#include "zmqloop/threading/mailbox/one_shot.h"

namespace zmqloop {

// Origin: the user's type, for reports of unseen exceptions.
template <class T, class Origin>
class SpawnedTask final : public TaskRun {
 public:
  SpawnedTask(std::shared_ptr<LoopCore> core, Task<T> task, const char* operation)
      : core_(std::move(core)), operation_(operation), task_(std::move(task)) {
    promise_.set_witness(witness_of<Origin>(core_));
  }
  ~SpawnedTask() override {
    task_ = Task<T>();  // as in finish()
    promise_.break_with([this] { return LoopClosedError(end_before_its_time()); });
  }

  // Returns the resumption that starts the task.
  Resumption begin() {
    task_.coroutine_.promise().begin(*this, core_);
    return {shared_from_this(), task_.coroutine_};
  }
  Future<T> get_future() const { return promise_.get_future(); }

  void finish() noexcept override {
    promise_.set_from([this] {
      const Task<T> ending = std::move(task_);  // its variables are gone when the future is ready
      return ending.coroutine_.promise().take();
    });
  }

  // Makes a run of `task`, which must not be empty; post begin() to the loop.
  static std::shared_ptr<SpawnedTask> make(std::shared_ptr<LoopCore> core, Task<T> task,
                                           const char* operation) {
    task.require_valid();
    return std::make_shared<SpawnedTask>(std::move(core), std::move(task), operation);
  }

 private:
  std::string end_before_its_time() const {
    const std::string task =
        std::string(operation_) + ": the task of loop '" + core_->affinity().name();
    if (core_->is_closed()) return task + "' had not ended when the loop was closed";
    if (was_unwound()) return task + "' has ended its thread";
    return task + "' was on another loop when that one was closed";
  }

  const std::shared_ptr<LoopCore> core_;
  const char* const operation_;
  Task<T> task_;
  Promise<T> promise_;
};

// Posts a task to a loop; the returned future receives LoopClosedError if that loop is closed.
template <class Origin, class T>
Future<T> start_task(const std::shared_ptr<LoopCore>& core, Task<T> task, const char* operation) {
  const auto run = SpawnedTask<T, Origin>::make(core, std::move(task), operation);
  auto future = run->get_future();
  static_cast<void>(core->post(run->begin()));
  return future;
}

// A task that calls `f` and ends when the task or future it returns has ended. `f` lives as long.
template <class F, class T = typename AsyncResult<one_shot::Result<F>>::value_type>
Task<T> await_call(F f) {
  co_return co_await one_shot::invoke(f);
}

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_TASKS_SPAWNED_TASK_H_
