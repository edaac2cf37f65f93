// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A timer of a loop that belongs to an object: the base of DelayedCallback and PeriodicCallback.
//
// Owner and loop share it. The owner may be destroyed on any thread, at any moment of the loop's
// life, even while the loop closes. The owner then destroys the callable; if a call is running,
// that call destroys it when it is over. Neither waits for the other.
//
// Threads: the loop's, as for its timers; before the loop runs, the thread that sets it up;
// abandon() any.
// Owns: itself and the callable, while it is armed or runs.
// Errors: those of IOLoop::add_timeout() and remove_timeout(); LoopClosedError.
// Internal.

#ifndef ZMQLOOP_RUNTIME_CALLBACKS_OWNED_TIMER_H_
#define ZMQLOOP_RUNTIME_CALLBACKS_OWNED_TIMER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "zmqloop/runtime/core/loop_core.h"
#include "zmqloop/runtime/loop/io_loop.h"
#include "zmqloop/runtime/tasks/callback_task.h"
#include "zmqloop/runtime/tasks/task.h"
#include "zmqloop/runtime/timers/timer_queue.h"
#include "zmqloop/threading/host/export.h"
#include "zmqloop/threading/mailbox/one_shot.h"

namespace zmqloop {

// A callable that can be called more than once, with no arguments.
template <class F>
concept TimerCallable = requires(std::decay_t<F> f) {
  std::invoke(f);
};

// The common base of DelayedCallback and PeriodicCallback: at most one armed timer, on a loop that
// may be destroyed first. Shared by its owner, the armed timer and the running call.
class ZMQLOOP_EXPORT OwnedTimer : public std::enable_shared_from_this<OwnedTimer> {
 public:
  OwnedTimer(const OwnedTimer&) = delete;
  OwnedTimer& operator=(const OwnedTimer&) = delete;
  virtual ~OwnedTimer();

  bool is_running() const noexcept { return running_ && open_loop() != nullptr; }
  void stop(const char* operation);
  // Called when the owner is destroyed. `owner`: its name in the warning that the timer was due and
  // never called.
  void abandon(const char* owner) noexcept;

  // Called when the timer is due: calls the callable, unless the owner is gone.
  void fire();

 protected:
  // `loop`: null for the loop that is current at each start.
  explicit OwnedTimer(IOLoop* loop);

  // A running call, including the task or future it returned; keeps the callable. It ends once, in
  // one of two ways: by end() on the loop's thread, or dropped with the returned task, when the
  // loop closes or the task has moved to another loop and that one closes.
  class Call {
   public:
    Call(OwnedTimer& timer, LoopCore& core) noexcept : timer_(&timer), core_(&core) {}
    Call(Call&& other) noexcept
        : timer_(std::exchange(other.timer_, nullptr)), core_(other.core_) {}
    Call& operator=(Call&&) = delete;
    ~Call() {
      if (timer_ != nullptr) timer_->call_is_dropped(*core_);
    }
    // No effect once moved from.
    void end() {
      if (timer_ != nullptr) std::exchange(timer_, nullptr)->end_call();
    }

   private:
    OwnedTimer* timer_;  // the holder of the Call keeps it alive
    LoopCore* core_;
  };

  // Called before a call, and after it is over, including the task or future it returned.
  virtual void call_begins() = 0;
  virtual void call_is_over() {}
  // Calls the callable. If that returns a task or future, moves `under_way` into its wait.
  virtual void call(LoopCore& core, Call& under_way) = 0;
  virtual void destroy_callable() noexcept = 0;
  // Returns whether the owner still exists.
  bool is_owned() const noexcept { return (uses_ & kOwned) != 0; }

  // Adds a timer that calls fire(), under the name of the user's callable.
  virtual TimerId add_timer(LoopCore& core, TimePoint deadline) = 0;

  // Returns the loop whose thread may call members: the one it was started on, else the chosen one.
  // Null if that loop is closed or there is none.
  LoopCore* loop_for_calls() const noexcept;
  // Returns the loop to start on: the chosen one, else the current one.
  ZMQLOOP_LOCAL std::shared_ptr<LoopCore> loop_for_start();
  // Returns the loop of the last start; null if it is closed or there was no start.
  LoopCore* open_loop() const noexcept;
  const std::shared_ptr<LoopCore>& started_on() const noexcept { return started_on_; }
  // Arms the timer. Needs access to the loop and no timer armed. If it throws, nothing has changed.
  ZMQLOOP_LOCAL void arm(std::shared_ptr<LoopCore> core, TimePoint deadline);
  void set_running(bool running) noexcept { running_ = running; }

 private:
  static constexpr std::uint32_t kOwned = std::uint32_t{1} << 31;

  struct ZMQLOOP_LOCAL DroppedCall;

  ZMQLOOP_LOCAL bool begin_use() noexcept;
  ZMQLOOP_LOCAL void end_use() noexcept;
  ZMQLOOP_LOCAL void complain_if_nobody_runs_it(const char* owner) const noexcept;
  void end_call();
  void call_is_dropped(LoopCore& core) noexcept;

  // Constant after construction. Null: the loop that is current at each start.
  const std::shared_ptr<LoopCore> chosen_;

  // Written by starts only; read by abandon() on the thread that destroys the owner.
  std::shared_ptr<LoopCore> started_on_;
  bool fell_back_ = false;                 // to IOLoop::instance(): no loop was current
  TimePoint unrun_due_ = TimePoint::max(); // the deadline, if started on a loop that had never run

  // Loop thread only.
  TimerId timer_;

  // Shared. Counts the running calls, plus the flag kOwned. The owner or call that makes it zero
  // destroys the callable.
  std::atomic<std::uint32_t> uses_{kOwned};
  std::atomic<bool> running_{false};  // written on the loop's thread
};

// The callback that the loop's timer queue holds; shares ownership of the OwnedTimer.
template <class F>
struct OwnedTimerShot {
  std::shared_ptr<OwnedTimer> timer;
  void operator()() { timer->fire(); }
};
template <class F>
struct one_shot::ReportedType<OwnedTimerShot<F>> : one_shot::ReportedType<F> {};

// A Base (a kind of OwnedTimer) with its callable.
template <class Base, class F>
class OwnedTimerOf final : public Base {
 public:
  template <class G, class... A>
  explicit OwnedTimerOf(G&& f, A&&... arguments)
      : Base(std::forward<A>(arguments)...), f_(std::in_place, std::forward<G>(f)) {}

 private:
  using Call = OwnedTimer::Call;

  void call(LoopCore& core, Call& under_way) override {
    if constexpr (kReturnsAsync<F&>) {
      auto self = std::static_pointer_cast<OwnedTimerOf>(this->shared_from_this());
      CallbackTask<F>::start(core, await(std::move(self), under_way));
    } else {
      static_cast<void>(under_way);
      static_cast<void>(core);
      static_cast<void>(std::invoke(*f_));
    }
  }
  // Its home is the timer's loop: it comes back there even if the callable's task has moved to
  // another loop. Takes over the Call once it runs; until then fire() has it.
  static Task<void> await(std::shared_ptr<OwnedTimerOf> self, Call& begun) {
    Call under_way = std::move(begun);
    try {
      static_cast<void>(co_await end_of(std::invoke(*self->f_)));
    } catch (...) {
      under_way.end();
      throw;
    }
    under_way.end();
  }

  void destroy_callable() noexcept override { one_shot::destroy(f_); }

  TimerId add_timer(LoopCore& core, TimePoint deadline) override {
    return core.timers().add(deadline, OwnedTimerShot<F>{this->shared_from_this()}, kAtOnce);
  }

  std::optional<F> f_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_CALLBACKS_OWNED_TIMER_H_
