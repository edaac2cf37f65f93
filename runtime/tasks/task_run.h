// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// One spawned task and everything it awaits: who owns its coroutines, and how they are resumed.
//
// A run is one logical thread of control. At any time it is either executing, or suspended with
// exactly one Resumption. A posted callback, a timer or a future holds that Resumption until it
// resumes the run. The run owns the outermost coroutine, which owns the ones it awaits. So if the
// last Resumption is dropped uncalled, by a loop that closes for example, the whole run ends: the
// coroutines are destroyed, the outermost coroutine's variables last, and the run's future receives
// LoopClosedError. The loop that drops it may be another than the run's own, which then goes on.
//
// Threads: a run moves between threads only through the posts that resume it.
// Owns: the outermost coroutine.
// Internal.

#ifndef ZMQLOOP_RUNTIME_TASKS_TASK_RUN_H_
#define ZMQLOOP_RUNTIME_TASKS_TASK_RUN_H_

#include <coroutine>
#include <memory>
#include <utility>

#include "zmqloop/threading/mailbox/one_shot.h"

namespace zmqloop {

class TaskRun : public std::enable_shared_from_this<TaskRun> {
 public:
  TaskRun() = default;
  TaskRun(const TaskRun&) = delete;
  TaskRun& operator=(const TaskRun&) = delete;
  virtual ~TaskRun() = default;

  // Called when the outermost coroutine has its result.
  virtual void finish() noexcept = 0;

 protected:
  // Returns whether its thread was ended while it executed, by pthread_exit() or cancellation.
  bool was_unwound() const noexcept { return was_unwound_; }

 private:
  friend class Resumption;
  friend struct BareResumption;
  std::shared_ptr<TaskRun> kept_;  // itself, while its one resumption is bare
  bool was_unwound_ = false;
};

// A resumption that is trivially copyable, for signal slots. It still owns its share of the run,
// until it is called or disposed of.
struct BareResumption {
  TaskRun* run;  // null once it was called
  std::coroutine_handle<> coroutine;

  void operator()();
  std::shared_ptr<TaskRun> take_share() noexcept {
    return run == nullptr ? nullptr : std::move(std::exchange(run, nullptr)->kept_);
  }
};

// Resumes a suspended coroutine of a run, once; dropped uncalled, it lets go of the run.
class Resumption {
 public:
  Resumption(std::shared_ptr<TaskRun> run, std::coroutine_handle<> coroutine) noexcept
      : run_(std::move(run)), coroutine_(coroutine) {}

  void operator()() {
    // On the stack while coroutines execute, so that none is destroyed while it runs.
    const std::shared_ptr<TaskRun> run = std::move(run_);
    try {
      coroutine_.resume();
    } catch (...) {  // a forced unwind: the coroutine keeps its own exceptions
      run->was_unwound_ = true;
      throw;
    }
  }

  BareResumption strip() && noexcept {
    TaskRun& run = *run_;
    run.kept_ = std::move(run_);
    return {&run, coroutine_};
  }

 private:
  std::shared_ptr<TaskRun> run_;
  std::coroutine_handle<> coroutine_;
};

inline void BareResumption::operator()() { Resumption(take_share(), coroutine)(); }

template <>
struct one_shot::ReportedType<BareResumption> : one_shot::ReportedType<Resumption> {};
template <>
struct one_shot::Disposal<BareResumption> {
  static void dispose(BareResumption& resumption) noexcept {
    const std::shared_ptr<TaskRun> let_go = resumption.take_share();
  }
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_TASKS_TASK_RUN_H_
