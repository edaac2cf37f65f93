// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The state that the copies of a future share with its promise: the outcome, the waiting threads
// and the continuations.
//
// Threads: any. The phase is an atomic; waiting and continuations are guarded by a mutex.
// Continuations run on the completing thread, outside the lock. The completing thread holds a share
// of the state until its call has returned.
// Forks: in a child nothing locks the mutex of a parent's state, which may stay locked there.
// Errors: see future.h.
// Internal.

#ifndef ZMQLOOP_RUNTIME_FUTURES_FUTURE_STATE_H_
#define ZMQLOOP_RUNTIME_FUTURES_FUTURE_STATE_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"

#include "zmqloop/threading/host/backoff.h"
#include "zmqloop/threading/host/clock.h"
#include "zmqloop/threading/host/export.h"
#include "zmqloop/threading/host/fork_guard.h"

namespace zmqloop {

// Returns the exception that `make` makes, for a future to receive; std::bad_alloc if there is no
// memory for it.
template <class Make>
std::exception_ptr exception_from(Make&& make) noexcept {
  try {
    return std::make_exception_ptr(make());
  } catch (...) {
    return std::current_exception();
  }
}

// Whether results of type T may be copied. Specialise it as false for a type that claims to be
// copyable but whose copy does not compile, such as a struct with a vector of unique_ptrs.
template <class T>
inline constexpr bool kCopiesResults = std::is_copy_constructible_v<T>;

// Returns whether a T can be copied. Containers claim to be copyable with any elements, and then do
// not compile.
template <class T>
constexpr bool is_copyable() {
  if constexpr (requires(T& t) { typename T::value_type; t.begin(); t.end(); }) {
    if constexpr (!std::is_same_v<typename T::value_type, T>) {  // json holds json
      return kCopiesResults<T> && is_copyable<typename T::value_type>();
    }
  }
  return kCopiesResults<T>;
}

// Receives an exception in a future that nobody can see any more. `tell` may be called on any
// thread.
struct ExceptionWitness {
  std::shared_ptr<void> context;
  void (*tell)(void* context, std::exception_ptr unseen) noexcept = nullptr;
};

// The part that does not depend on the type of the value.
class FutureStateBase {
 public:
  FutureStateBase() = default;
  FutureStateBase(const FutureStateBase&) = delete;
  FutureStateBase& operator=(const FutureStateBase&) = delete;

  bool is_ready() const noexcept { return phase_ == Phase::kReady; }

  // Blocks until ready; false if the limit ends first. Refuses to block a thread that runs a loop.
  ZMQLOOP_EXPORT bool wait(std::optional<Duration> limit) const;

  // Throws std::logic_error if the calling thread runs a loop, because waiting would block that.
  ZMQLOOP_EXPORT static void require_may_block();

  ZMQLOOP_EXPORT void on_ready(absl::AnyInvocable<void()> f);

  // Returns the exception that was set, or null, and notes that it was seen. Only once ready.
  const std::exception_ptr& exception() const noexcept {
    seen_ = true;
    return error_;
  }

  // Sets the exception; false if something was set already.
  ZMQLOOP_EXPORT bool set_exception(std::exception_ptr error);

  // Count the futures that refer to this state.
  void add_holder() noexcept { ++holders_; }
  void remove_holder() noexcept { --holders_; }
  // From here on, the promise gives out no more futures.
  void expect_no_holders() noexcept { may_get_holders_ = false; }
  // Returns whether a single future refers to this state, and no others will.
  bool has_one_holder() const noexcept { return holders_ == 1 && !may_get_holders_; }

  // `witness` receives the exception if the last share goes and nobody has seen it. Without a
  // witness, nobody does. Call this before the state may be completed.
  void set_witness(ExceptionWitness witness) noexcept { witness_ = std::move(witness); }

 protected:
  ZMQLOOP_EXPORT ~FutureStateBase();

  enum class Phase : unsigned char { kEmpty, kSetting, kReady };

  bool is_foreign() const noexcept { return generation_ != fork_generation(); }

  // Claims the right to set the outcome; complete() or give_up() must follow.
  ZMQLOOP_EXPORT bool begin_setting() noexcept;
  void give_up() noexcept { phase_ = Phase::kEmpty; }
  // Calls all continuations, even if some throw, and then throws the first exception.
  ZMQLOOP_EXPORT void complete();
  // No exception will come that a witness should receive.
  void drop_witness() noexcept { witness_ = {}; }

 private:
  void require_own_process() const;

  std::atomic<Phase> phase_{Phase::kEmpty};
  mutable std::atomic<bool> seen_{false};
  std::atomic<std::uint32_t> holders_{0};
  std::atomic<bool> may_get_holders_{true};
  const std::uint32_t generation_ = fork_generation();

  // Never destroyed: in a forked child the destructor would wait for the waiting threads, which
  // exist only in the parent. The object holds nothing that needs freeing.
  union Condition {
    Condition() : value() {}
    ~Condition() {}
    std::condition_variable value;
  };

  // Guarded by mutex_.
  mutable std::mutex mutex_;
  mutable Condition became_ready_;
  std::vector<absl::AnyInvocable<void()>> continuations_;

 protected:
  // Written between begin_setting() and complete(), constant once ready.
  std::exception_ptr error_;

 private:
  ExceptionWitness witness_;  // set before begin_setting(), then constant or dropped
};

template <class T>
class FutureState : public FutureStateBase {
  static constexpr bool kVoid = std::is_void_v<T>;
  using Stored = std::conditional_t<kVoid, std::monostate, T>;

 public:
  // Sets the value; false if something was set already. If the value's constructor throws, nothing
  // was set.
  template <class... A>
  bool set_value(A&&... value) {
    if (!begin_setting()) return false;
    try {
      value_.emplace(std::forward<A>(value)...);
    } catch (...) {
      give_up();
      throw;
    }
    drop_witness();
    complete();
    return true;
  }

  // Returns a copy of the value. Only once ready.
  T get() const {
    rethrow_error();
    if constexpr (!kVoid) {
      const Reading reading(use_);
      return *value_;
    }
  }
  // Moves the value out. Only once ready, and once. Waits for threads that are copying the value;
  // in a forked child it does not, because the parent's threads are not there.
  T take() {
    rethrow_error();
    if constexpr (!kVoid) {
      if ((use_.fetch_or(kTaken) & kTaken) != 0) throw_taken();
      for (Backoff backoff; use_ != kTaken && !is_foreign();) backoff.step();
      struct PutBack {  // if the move throws
        std::atomic<std::uint32_t>* use;
        ~PutBack() {
          if (use != nullptr) *use &= ~kTaken;  // not 0: refused readers may still be counted
        }
      } put_back{&use_};
      T value = std::move(*value_);
      put_back.use = nullptr;
      value_.reset();
      return value;
    }
  }

 private:
  static constexpr std::uint32_t kTaken = std::uint32_t{1} << 31;

  // Keeps the value in place while it is copied.
  class Reading {
   public:
    explicit Reading(std::atomic<std::uint32_t>& use) : use_(use) {
      if ((use_.fetch_add(1) & kTaken) == 0) return;
      --use_;
      throw_taken();
    }
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;
    ~Reading() { --use_; }

   private:
    std::atomic<std::uint32_t>& use_;
  };

  void rethrow_error() const {
    if (error_ != nullptr) std::rethrow_exception(exception());
  }
  [[noreturn]] static void throw_taken() {
    throw std::logic_error("Future::get: the value was moved out before");
  }

  std::optional<Stored> value_;
  mutable std::atomic<std::uint32_t> use_{0};  // copies being made now; kTaken
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_FUTURES_FUTURE_STATE_H_
