// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A posted callable with a promise for its result. IOLoop::submit() and run_in_executor() post it.
//
// Threads: made by the submitter, run or destroyed by the loop.
// Owns: the callable, which is destroyed before its future becomes ready, and the promise. If
// destroyed unrun, it breaks the promise with LoopClosedError.
// Internal.

#ifndef ZMQLOOP_RUNTIME_TASKS_SUBMISSION_H_
#define ZMQLOOP_RUNTIME_TASKS_SUBMISSION_H_

#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "zmqloop/runtime/basics/errors.h"
#include "zmqloop/runtime/core/loop_core.h"
#include "zmqloop/runtime/futures/future.h"
#include "zmqloop/runtime/tasks/late_exception.h"
#include "zmqloop/threading/mailbox/one_shot.h"

namespace zmqloop {

template <class F>
class Submission {
 public:
  using Result = std::decay_t<std::invoke_result_t<F&>>;

  template <class G>
  Submission(G&& f, const char* operation, const std::shared_ptr<LoopCore>& core)
      : f_(std::in_place, std::forward<G>(f)), operation_(operation), core_(core.get()) {
    promise_.set_witness(witness_of<F>(core));
  }
  Submission(Submission&& other) noexcept(std::is_nothrow_move_constructible_v<F>) = default;
  Submission& operator=(Submission&&) = delete;
  ~Submission() {
    const bool was_called = !f_.has_value();
    one_shot::destroy(f_);
    promise_.break_with([&] { return LoopClosedError(end_before_its_time(was_called)); });
  }

  Future<Result> get_future() const { return promise_.get_future(); }

  void operator()() {
    promise_.set_from([this]() -> Result {
      struct DestroyAtReturn {
        std::optional<F>& f;
        ~DestroyAtReturn() { one_shot::destroy(f); }
      } destroy_at_return{f_};
      return (*f_)();
    });
  }

 private:
  std::string end_before_its_time(bool was_called) const {
    const std::string loop = std::string(operation_) + ": loop '" + core_->affinity().name() + "'";
    if (core_->affinity().is_foreign()) {
      return loop + " belongs to the parent process; a forked child must make its own";
    }
    return loop + (was_called ? " called this, and it has ended the thread"
                              : " was closed before it ran this");
  }

  std::optional<F> f_;
  const char* operation_;
  LoopCore* core_;  // alive: this is in its mailbox, or the promise's state holds it
  Promise<Result> promise_;
};
template <class F>
struct one_shot::ReportedType<Submission<F>> : one_shot::ReportedType<F> {};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_TASKS_SUBMISSION_H_
