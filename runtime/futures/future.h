// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A value that arrives later, possibly from another thread: Promise<T> sets it, Future<T> receives
// it.
//
//   Future<int> answer = loop.submit([] { return 6 * 7; });
//   int value = answer.get(1s);                      // on a thread that runs no loop
//
// Threads: any. Copies of a future share one state; set_value() and get() synchronise. The promise
// may be destroyed as soon as its future is ready, also while set_value() is about to return.
// Owns: the shared state, together with its copies and the promise.
// Errors: get() rethrows the exception that was set; TimeoutError when the time is up;
// std::logic_error if the future is not ready and the calling thread runs a loop, which get() would
// block, or is in a forked child. A promise set twice: std::logic_error. A promise dropped unset:
// BrokenPromiseError in get(). If the last copy of a future of spawn(), submit(), then() or
// run_in_executor() goes and nobody has looked at its exception, that is reported:
// LoopStats::unseen_exceptions.
// Public.

#ifndef ZMQLOOP_RUNTIME_FUTURES_FUTURE_H_
#define ZMQLOOP_RUNTIME_FUTURES_FUTURE_H_

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/functional/any_invocable.h"

#include "zmqloop/runtime/basics/async_result.h"
#include "zmqloop/runtime/basics/callable_check.h"
#include "zmqloop/runtime/basics/errors.h"
#include "zmqloop/runtime/basics/times.h"
#include "zmqloop/runtime/basics/user_code.h"
#include "zmqloop/runtime/futures/future_state.h"

namespace zmqloop {

template <class T>
class Promise;

template <class T>
class Future {
 public:
  using value_type = T;

  Future() = default;  // refers to nothing: valid() is false
  Future(const Future& other) noexcept : Future(other.state_) {}
  Future(Future&& other) noexcept = default;
  Future& operator=(Future other) noexcept {
    state_.swap(other.state_);
    return *this;
  }
  ~Future() {
    if (state_ != nullptr) state_->remove_holder();
  }

  // Returns whether this future refers to a state.
  bool valid() const noexcept { return state_ != nullptr; }

  // Returns whether get() would return at once.
  bool is_ready() const { return checked().is_ready(); }

  // Blocks until the future is ready, for at most `limit`; false if it is not ready by then.
  bool wait(TimeLimit limit = {}) const { return checked().wait(limit.value()); }

  // Waits and returns the value, or throws the exception that was set. From an lvalue, a copyable
  // value is copied, so that several holders may get it. Otherwise the value is moved out, once: if
  // several holders try, on any threads, one gets it and the others get std::logic_error.
  T get(TimeLimit limit = {}) const& {
    FutureState<T>& state = ready_state(limit);
    if constexpr (std::is_void_v<T>) {
      return state.get();
    } else if constexpr (is_copyable<T>()) {
      return state.get();
    } else {
      return state.take();
    }
  }
  T get(TimeLimit limit = {}) && { return ready_state(limit).take(); }
  // The same, if you do not know whether others hold this future. Moves the value out if no others
  // do and none can come, because the promise is gone; else copies a copyable value.
  T get_or_copy(TimeLimit limit = {}) && {
    if constexpr (!std::is_void_v<T> && is_copyable<T>()) {
      if (!checked().has_one_holder()) return std::as_const(*this).get(limit);
    }
    return std::move(*this).get(limit);
  }

  // Returns the exception that was set, or null for a value; std::logic_error if nothing was set
  // yet.
  std::exception_ptr exception() const {
    const FutureState<T>& state = checked();
    if (!state.is_ready()) throw std::logic_error("Future::exception: not ready");
    return state.exception();
  }

  // Calls `f(ready future)` on a loop once this future is ready, as IOLoop::add_future does.
  // Returns a future for the result or exception of `f`; it receives LoopClosedError if `f` never
  // runs.
  template <class Loop, CallableAgainWith<Future<T>> F>
  auto then(Loop& loop, F&& f) const {
    return loop.continue_with(*this, std::forward<F>(f));
  }

  // Calls `f` once the future is ready: on the completing thread, or at once in this call if it is
  // ready already. For building adapters: `f` must neither throw nor block. For callbacks on a loop
  // see IOLoop.
  template <class F>
  void on_ready(F&& f) const {
    static_assert(!kReturnsAsync<std::decay_t<F>&>,
                  "nobody would run the task that this returns: use IOLoop::add_future");
    checked().on_ready(std::forward<F>(f));
  }

 private:
  friend class Promise<T>;
  explicit Future(std::shared_ptr<FutureState<T>> state) noexcept : state_(std::move(state)) {
    if (state_ != nullptr) state_->add_holder();
  }

  FutureState<T>& checked() const {
    if (state_ == nullptr) throw std::logic_error("Future: refers to nothing");
    return *state_;
  }
  FutureState<T>& ready_state(const TimeLimit& limit) const {
    FutureState<T>& state = checked();
    if (!state.is_ready()) FutureStateBase::require_may_block();
    if (!state.wait(limit.value())) {
      throw TimeoutError("Future::get: not ready within the time given");
    }
    return state;
  }

  std::shared_ptr<FutureState<T>> state_;
};

template <class T>
class Promise {
 public:
  Promise() : state_(std::make_shared<FutureState<T>>()) {}
  Promise(Promise&&) noexcept = default;
  Promise& operator=(Promise&& other) noexcept {
    if (this != &other) {
      end();
      state_ = std::move(other.state_);
    }
    return *this;
  }
  ~Promise() { end(); }

  // Returns a future for this promise; may be called any number of times.
  Future<T> get_future() const {
    if (state_ == nullptr) throw std::logic_error("Promise::get_future: moved from");
    return Future<T>(state_);
  }

  // Returns whether nothing was set yet; false if this was moved from.
  bool is_pending() const noexcept { return state_ != nullptr && !state_->is_ready(); }

  // Sets the value and wakes the waiting threads. Works once: std::logic_error if something was set
  // already.
  template <class... A>
  void set_value(A&&... value) {
    if (!try_set_value(std::forward<A>(value)...)) throw_already_set("Promise::set_value");
  }
  void set_exception(std::exception_ptr error) {
    if (!try_set_exception(std::move(error))) throw_already_set("Promise::set_exception");
  }
  // As above; false if something was set already.
  template <class... A>
  bool try_set_value(A&&... value) {
    const auto state = state_;  // keeps it for this call: the promise may go meanwhile
    return state != nullptr && state->set_value(std::forward<A>(value)...);
  }
  bool try_set_exception(std::exception_ptr error) {
    const auto state = state_;
    return state != nullptr && state->set_exception(std::move(error));
  }

  // Sets the result of `f`, or the exception it throws; std::logic_error as above. If an on_ready()
  // callable throws, after the result was set, its exception leaves this function.
  template <class F>
  void set_from(F&& f) {
    const auto call = [&] {
      if constexpr (std::is_void_v<T>) {
        std::forward<F>(f)();
        set_value();
      } else {
        set_value(std::forward<F>(f)());
      }
    };
    const auto store = [this] {
      if (!try_set_exception(std::current_exception())) throw;
    };
    static_cast<void>(returned(call, store));
  }

  // Internal, for a promise that gives out a single future: `witness` receives an exception that is
  // set and never seen.
  void set_witness(ExceptionWitness witness) noexcept {
    state_->set_witness(std::move(witness));
    state_->expect_no_holders();
  }
  // Internal: sets an exception of the library's own if nothing was set. Not the user's fault, so
  // no witness receives it.
  template <class Make>
  void break_with(Make&& make) noexcept {
    if (!is_pending()) return;
    const auto state = state_;
    std::exception_ptr error = exception_from(std::forward<Make>(make));
    state->set_witness({});
    state->set_exception(std::move(error));
  }

 private:
  [[noreturn]] static void throw_already_set(const char* operation) {
    throw std::logic_error(std::string(operation) + ": a value or exception was set already");
  }
  void end() noexcept {
    if (state_ == nullptr) return;
    state_->expect_no_holders();
    break_with(
        [] { return BrokenPromiseError("Future: its promise was destroyed without a value"); });
  }

  std::shared_ptr<FutureState<T>> state_;
};

template <class T>
struct AsyncResult<Future<T>> {
  static constexpr bool kIsAsync = true;
  using value_type = T;
};

template <class T>
inline constexpr bool kIsFuture = false;
template <class T>
inline constexpr bool kIsFuture<Future<T>> = true;

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_FUTURES_FUTURE_H_
