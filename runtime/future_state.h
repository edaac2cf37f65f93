// What the copies of a future and its promise share: the outcome, who waits for it and who is told.
//
// Threads: any; guarded by one mutex. Continuations run on the completing thread, outside the lock.
// Errors: see future.h.
// Internal.

#ifndef ZMQLOOP_RUNTIME_FUTURE_STATE_H_
#define ZMQLOOP_RUNTIME_FUTURE_STATE_H_

#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"

#include "zmqloop/poller/clock.h"

namespace zmqloop {

// Returns what `make` makes, for a future to receive; without memory for that, the std::bad_alloc.
template <class Make>
std::exception_ptr exception_from(Make&& make) noexcept {
  try {
    return std::make_exception_ptr(make());
  } catch (...) {
    return std::current_exception();
  }
}

// The part that does not depend on the value's type.
class FutureStateBase {
 public:
  FutureStateBase() = default;
  FutureStateBase(const FutureStateBase&) = delete;
  FutureStateBase& operator=(const FutureStateBase&) = delete;

  bool is_ready() const;

  // Blocks until ready; false when the limit ends first. Refuses to block a thread that runs a
  // loop.
  bool wait(std::optional<Duration> limit) const;

  // Throws std::logic_error if the calling thread runs a loop, which waiting would block.
  static void require_may_block();

  void on_ready(absl::AnyInvocable<void()> f);

  // Returns the exception that was set, or null; ready only.
  const std::exception_ptr& exception() const { return error_; }

  // Sets the exception; false if something was set already.
  bool set_exception(std::exception_ptr error);

 protected:
  ~FutureStateBase() = default;

  enum class Phase : unsigned char { kEmpty, kSetting, kReady };

  // Claims the right to set the outcome; complete() or give_up() must follow.
  bool begin_setting();
  void give_up();
  // Calls all continuations, even if one throws, and then throws what the first of them threw.
  void complete();

  // Guarded by mutex_.
  mutable std::mutex mutex_;
  mutable std::condition_variable became_ready_;
  Phase phase_ = Phase::kEmpty;
  std::vector<absl::AnyInvocable<void()>> continuations_;

  // Written between begin_setting() and complete(), constant once ready.
  std::exception_ptr error_;
};

template <class T>
class FutureState : public FutureStateBase {
  static constexpr bool kVoid = std::is_void_v<T>;
  using Stored = std::conditional_t<kVoid, std::monostate, T>;

 public:
  // Sets the value; false if something was set already. If its construction throws, nothing was
  // set.
  template <class... A>
  bool set_value(A&&... value) {
    if (!begin_setting()) return false;
    try {
      value_.emplace(std::forward<A>(value)...);
    } catch (...) {
      give_up();
      throw;
    }
    complete();
    return true;
  }

  // Returns a copy of the value; ready only.
  T get() const {
    check();
    if constexpr (!kVoid) return *value_;
  }
  // Moves the value out; ready only, once.
  T take() {
    check();
    if constexpr (!kVoid) {
      T value = std::move(*value_);
      value_.reset();
      return value;
    }
  }

 private:
  void check() const {
    if (error_ != nullptr) std::rethrow_exception(error_);
    if (!value_.has_value()) throw std::logic_error("Future::get: the value was moved out before");
  }

  std::optional<Stored> value_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_FUTURE_STATE_H_
