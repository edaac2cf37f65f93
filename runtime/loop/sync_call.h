// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// One call of IOLoop::run_sync(): the function, and which of its four outcomes came.
//
// Threads: loop thread only. A future that the function returned may complete anywhere; its
// completion is posted to the loop. One that completes too late finds the call ended and does
// nothing.
// Errors: none while it runs: what the function throws, and a lack of memory, is its outcome.
// Internal.

#ifndef ZMQLOOP_RUNTIME_LOOP_SYNC_CALL_H_
#define ZMQLOOP_RUNTIME_LOOP_SYNC_CALL_H_

#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>

#include "zmqloop/runtime/basics/async_result.h"
#include "zmqloop/runtime/basics/user_code.h"
#include "zmqloop/runtime/core/loop_core.h"
#include "zmqloop/runtime/futures/future.h"
#include "zmqloop/runtime/tasks/deferred_post.h"
#include "zmqloop/runtime/tasks/spawned_task.h"
#include "zmqloop/runtime/tasks/task.h"

namespace zmqloop {

class SyncCallBase : public std::enable_shared_from_this<SyncCallBase> {
 public:
  virtual ~SyncCallBase() = default;

  // Calls the function, unless the call has ended meanwhile. What it throws is the outcome.
  void begin(const std::shared_ptr<LoopCore>& core) {
    if (ended_) return;
    const auto fail = [this] {
      error_ = std::current_exception();
      end();
    };
    static_cast<void>(returned([&] { call(core); }, fail));
  }

  // The run that waits for this call ends when this is true.
  const bool& ended() const noexcept { return ended_; }
  bool timed_out() const noexcept { return timed_out_; }

  void time_out() noexcept {
    timed_out_ = !ended_;
    ended_ = true;
  }
  // The outcome is there, or the run has ended without it: whatever comes later is ignored.
  void end() noexcept { ended_ = true; }

 protected:
  // Calls the function, and ends the call at once or when what it has returned is ready.
  virtual void call(const std::shared_ptr<LoopCore>& core) = 0;

  std::exception_ptr error_;

 private:
  bool ended_ = false;
  bool timed_out_ = false;
};

// What run_sync() returns for a function: its result, or that of the future or task it returns.
template <class F>
using SyncResult = AwaitedResult<std::decay_t<F>&>;

template <class F>
class SyncCall final : public SyncCallBase {
  using Returned = std::decay_t<std::invoke_result_t<F&>>;
  using Result = SyncResult<F>;
  using Value = std::conditional_t<std::is_void_v<Result>, std::monostate, Result>;
  static constexpr bool kIsAsync = AsyncResult<Returned>::kIsAsync;

 public:
  template <class G>
  explicit SyncCall(G&& f) : f_(std::forward<G>(f)) {}

  // Gives the value away, or throws. It is copied only out of a future that others hold as well.
  Result take_result() {
    if (error_ != nullptr) std::rethrow_exception(error_);
    if constexpr (kIsAsync) {
      return std::move(future_).get_or_copy();
    } else if constexpr (!std::is_void_v<Result>) {
      return std::move(*value_);
    }
  }

 private:
  void call(const std::shared_ptr<LoopCore>& core) override {
    if constexpr (kIsAsync) {
      future_ = start(core);
      if (!future_.valid()) {
        throw std::logic_error(
            "IOLoop::run_sync: the function returned a future that refers to nothing");
      }
      if (!future_.is_ready()) {
        const auto self = shared_from_this();
        future_.on_ready(DeferredPost(core, [self] { self->end(); }));
        return;
      }
    } else if constexpr (std::is_void_v<Result>) {
      f_();
    } else {
      value_.emplace(f_());
    }
    end();
  }

  Future<Result> start(const std::shared_ptr<LoopCore>& core) {
    if constexpr (kIsTask<Returned>) {
      return start_task<F>(core, f_(), "IOLoop::run_sync");
    } else {
      return f_();
    }
  }

  F f_;
  std::optional<Value> value_;
  Future<Result> future_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_LOOP_SYNC_CALL_H_
