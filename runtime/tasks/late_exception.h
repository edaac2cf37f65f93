// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Reports an exception that comes after the loop's call of its callable has returned: from a task
// that a callback returned, or in a future that nobody looks at any more.
//
//   report_here<F>(core, error);    // handle_callback_exception() gets it, as thrown by an F: now,
//   report_late<F>(core, error);    // or in the loop's next iteration
//
// A late one is posted to the loop and thrown there. If the loop is closed, or closes before it
// gets there, the default report of handle_callback_exception() is written.
//
// Threads: report_here() on the loop's, in a callable that the loop runs; the rest on any.
// Owns: the exception, until it is thrown or written.
// Errors: none.
// Internal.

#ifndef ZMQLOOP_RUNTIME_TASKS_LATE_EXCEPTION_H_
#define ZMQLOOP_RUNTIME_TASKS_LATE_EXCEPTION_H_

#include <exception>
#include <memory>
#include <new>
#include <typeinfo>
#include <utility>

#include "zmqloop/runtime/basics/exception_report.h"
#include "zmqloop/runtime/core/loop_core.h"
#include "zmqloop/runtime/futures/future_state.h"
#include "zmqloop/threading/mailbox/one_shot.h"

namespace zmqloop {

// Where the exception goes: to handle_callback_exception(), or out of start().
enum class LateFor : bool { kHook, kStart };

// The posted callable; `core` is that of the loop it is posted to.
template <class F>
class LateException {
 public:
  LateException(LoopCore& core, std::exception_ptr error, LateFor target) noexcept
      : core_(&core), error_(std::move(error)), target_(target) {}
  LateException(LateException&&) noexcept = default;  // the source then has no exception
  LateException& operator=(LateException&&) = delete;
  ~LateException() {
    if (error_ == nullptr) return;
    report_exception(core_->affinity().name(), &typeid(typename one_shot::ReportedType<F>::type),
                     std::move(error_));
  }

  void operator()() {
    if (target_ == LateFor::kStart) core_->let_escape();
    std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  LoopCore* core_;
  std::exception_ptr error_;
  LateFor target_;
};
template <class F>
struct one_shot::ReportedType<LateException<F>> : one_shot::ReportedType<F> {};

template <class F>
void report_late(LoopCore& core, std::exception_ptr error,
                 LateFor target = LateFor::kHook) noexcept {
  try {
    static_cast<void>(core.post(LateException<F>(core, std::move(error), target)));
  } catch (const std::bad_alloc&) {
    // No memory for a lane: the destructor of the unposted LateException has written it.
  }
}

// If handle_callback_exception() itself throws, that exception leaves start() in the next
// iteration.
template <class F>
void report_here(LoopCore& core, std::exception_ptr error) noexcept {
  const std::type_info& type = typeid(typename one_shot::ReportedType<F>::type);
  std::exception_ptr escape = core.report(std::move(error), type);
  if (escape != nullptr) report_late<F>(core, std::move(escape), LateFor::kStart);
}

// Returns a witness that reports unseen exceptions of an F, left in a future, to the loop that ran
// it.
template <class F>
ExceptionWitness witness_of(std::shared_ptr<LoopCore> core) noexcept {
  return {std::move(core), [](void* context, std::exception_ptr unseen) noexcept {
            LoopCore& loop = *static_cast<LoopCore*>(context);
            loop.count_unseen_exception();
            report_late<F>(loop, std::move(unseen));
          }};
}

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_TASKS_LATE_EXCEPTION_H_
