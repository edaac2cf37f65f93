// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// One call of IOLoop::run_sync(): the function, and which of the four outcomes it had.
//
// Threads: loop thread only. A future that the function returned may complete anywhere; its
// completion is posted to the loop. A completion that comes too late finds the call ended and does
// nothing.
// Errors: none while it runs: an exception of the function, or a lack of memory, is the outcome.
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

  // Calls the function, unless the call has ended already. Its exception becomes the outcome.
  void begin(const std::shared_ptr<LoopCore>& core) {
    if (ended_) return;
    const auto fail = [this] {
      error_ = std::current_exception();
      end();
    };
    static_cast<void>(returned([&] { call(core); }, fail));
  }

  // The run that waits for this call ends once this is true.
  const bool& ended() const noexcept { return ended_; }
  bool timed_out() const noexcept { return timed_out_; }

  void time_out() noexcept {
    timed_out_ = !ended_;
    ended_ = true;
  }
  // Called when the outcome is there, or the run has ended without one: anything later is ignored.
  void end() noexcept { ended_ = true; }

 protected:
  // Calls the function. Ends the call at once, or when the returned future is ready.
  virtual void call(const std::shared_ptr<LoopCore>& core) = 0;

  std::exception_ptr error_;

 private:
  bool ended_ = false;
  bool timed_out_ = false;
};

// The return type of run_sync() for a function: its result, or that of the future or task it
// returns.
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

  // Moves the value out, or throws. Copies it only if others hold the future as well.
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
