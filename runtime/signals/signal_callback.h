// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A callback that signal handlers may raise as often as they like:
// IOLoop::prepare_signal_callback().
//
//   static SignalCallback reload;                         // where the handler finds it
//   reload = loop.prepare_signal_callback([&](std::uint64_t raises) { … });
//   std::signal(SIGHUP, [](int) { reload.raise(); });
//
// All raises that come before the callback has begun to run are answered by one call, which
// receives their number. None is lost and nothing can overflow. The callable may be of any type and
// size. Only a loop that is being closed can drop some: a raise that joins one begun by another
// thread or handler returns true, and is dropped as well if that one comes too late.
//
// If the callable returns a Task or a Future, the loop runs that to its end; the next call does not
// wait for it.
//
// Threads: raise() any thread and any signal handler, but not while the object is being assigned or
// destroyed. The callable runs, and is destroyed, on the loop thread (after the loop was closed: on
// the thread that destroys the last of loop and object).
// Owns: the callable, and one of the loop's Options::signal_slots.
// Errors: raise() returns false once the loop is closed.
// Public.

#ifndef ZMQLOOP_RUNTIME_SIGNALS_SIGNAL_CALLBACK_H_
#define ZMQLOOP_RUNTIME_SIGNALS_SIGNAL_CALLBACK_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/functional/any_invocable.h"

#include "zmqloop/runtime/core/loop_core.h"
#include "zmqloop/threading/host/export.h"
#include "zmqloop/threading/mailbox/one_shot.h"
#include "zmqloop/threading/mailbox/primitives.h"
#include "zmqloop/threading/mailbox/slot.h"

namespace zmqloop {

// The part that a SignalCallback and its loop share. Internal.
class PreparedCallback : public std::enable_shared_from_this<PreparedCallback> {
 public:
  enum class Calls : bool { kOnceForAll, kOnceForEach };  // for raises that wait together
  using Function = absl::AnyInvocable<void(std::uint64_t raises)>;

  PreparedCallback(std::shared_ptr<LoopCore> core, Calls calls, Function function)
      : core_(std::move(core)), calls_(calls), function_(std::move(function)) {}

  // Reserves a signal slot for `raised`, which calls run(); throws if none is free.
  template <class Raised>
  void attach(const Raised& raised, std::string_view operation, std::string_view loop_name) {
    slot_ = core_->reserve_signal_slot(raised);
    if (slot_ == nullptr) throw_no_slot(operation, loop_name);
  }

  // ---- signal handler, any thread ----
  ZMQLOOP_EXPORT bool raise() noexcept;

  // ---- loop thread ----
  ZMQLOOP_EXPORT void run();

  // Ends it: a raised call that has not begun is dropped. On any thread that does not raise it;
  // with kOnceForEach, on the loop thread.
  ZMQLOOP_EXPORT static void release(std::shared_ptr<PreparedCallback> prepared) noexcept;

 private:
  ZMQLOOP_EXPORT [[noreturn]] static void throw_no_slot(std::string_view operation,
                                                        std::string_view loop_name);

  // Constant after attach().
  const std::shared_ptr<LoopCore> core_;
  const Calls calls_;
  Slot* slot_ = nullptr;

  // Loop thread only.
  Function function_;

  // Shared. The raise that makes this 1 publishes the slot; the slot is free once run() made this
  // 0.
  Atom<std::uint64_t> raises_{0};
  Atom<bool> released_{false};
  static_assert(Atom<bool>::is_always_lock_free);

  std::shared_ptr<PreparedCallback> leaked_;  // itself, if memory ran out while it was released
};

// The callable in the signal slot. The user's type shows in messages.
template <class F>
struct RaisedCallback {
  PreparedCallback* prepared;
  void operator()() const { prepared->run(); }
};
template <class F>
struct one_shot::ReportedType<RaisedCallback<F>> : one_shot::ReportedType<F> {};

class SignalCallback {
 public:
  SignalCallback() = default;  // refers to nothing: raise() returns false
  SignalCallback(SignalCallback&&) noexcept = default;
  SignalCallback& operator=(SignalCallback&& other) noexcept {
    if (this != &other) {
      PreparedCallback::release(std::move(prepared_));
      prepared_ = std::move(other.prepared_);
    }
    return *this;
  }
  // Ends the calls of the callable, except one that has begun on another thread.
  ~SignalCallback() { PreparedCallback::release(std::move(prepared_)); }

  // Makes the loop call the callable. Async-signal-safe; errno is kept. False once the loop is
  // closed.
  bool raise() const noexcept { return prepared_ != nullptr && prepared_->raise(); }

 private:
  friend class LoopInlet;
  friend class SignalHandlers;

  // Internal: `f` takes the number of raises, or nothing.
  template <class F>
  SignalCallback(std::shared_ptr<LoopCore> core, PreparedCallback::Calls calls, F&& f,
                 std::string_view operation, std::string_view loop_name) {
    using D = std::decay_t<F>;
    PreparedCallback::Function function;
    if constexpr (std::is_invocable_v<D&, std::uint64_t>) {
      function = std::forward<F>(f);
    } else {
      function = [g = D(std::forward<F>(f))](std::uint64_t) mutable { g(); };
    }
    const auto prepared =
        std::make_shared<PreparedCallback>(std::move(core), calls, std::move(function));
    prepared->attach(RaisedCallback<D>{prepared.get()}, operation, loop_name);
    prepared_ = prepared;
  }

  std::shared_ptr<PreparedCallback> prepared_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_SIGNALS_SIGNAL_CALLBACK_H_
