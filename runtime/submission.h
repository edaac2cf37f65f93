// A posted callable with a promise for its result: what IOLoop::submit() and run_in_executor()
// post.
//
// Threads: made by the submitter, run or destroyed by the loop.
// Owns: the callable and the promise. Destroyed unrun, it breaks the promise with LoopClosedError.
// Internal.

#ifndef ZMQLOOP_RUNTIME_SUBMISSION_H_
#define ZMQLOOP_RUNTIME_SUBMISSION_H_

#include <exception>
#include <string>
#include <type_traits>
#include <utility>

#include "zmqloop/runtime/errors.h"
#include "zmqloop/runtime/future.h"
#include "zmqloop/threading/one_shot.h"

namespace zmqloop {

template <class F>
using SubmissionResult = std::decay_t<std::invoke_result_t<std::decay_t<F>&>>;

template <class F>
class Submission {
 public:
  using Result = SubmissionResult<F>;

  template <class G>
  Submission(G&& f, const char* operation, const std::string& loop_name)
      : f_(std::forward<G>(f)), operation_(operation), loop_name_(loop_name) {}
  Submission(Submission&& other) noexcept(std::is_nothrow_move_constructible_v<F>) = default;
  Submission& operator=(Submission&&) = delete;
  ~Submission() {
    if (!promise_.is_pending()) return;
    promise_.try_set_exception(exception_from([this] {
      return LoopClosedError(operation_ +
                             (": loop '" + loop_name_ + "' was closed before it ran this"));
    }));
  }

  Future<Result> get_future() const { return promise_.get_future(); }

  void operator()() { promise_.set_from(f_); }

 private:
  F f_;
  const char* operation_;
  std::string loop_name_;
  Promise<Result> promise_;
};
template <class F>
struct one_shot::ReportedType<Submission<F>> : one_shot::ReportedType<F> {};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_SUBMISSION_H_
