// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A timer of a loop that belongs to an object: what DelayedCallback and PeriodicCallback stand on.
//
// Owner and loop share it. The owner may end on any thread at any moment of the loop's life, its end
// included: it then takes the callable, unless a call is under way, which takes it when it is over.
// Nobody waits for the other.
//
// Threads: the loop's, as for its timers; before the loop runs, the thread that sets it up;
// abandon() any.
// Owns: itself, while it is armed or runs, together with the callable.
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

// What can be called more than once, with no arguments.
template <class F>
concept TimerCallable = requires(std::decay_t<F> f) {
  std::invoke(f);
};

// What DelayedCallback and PeriodicCallback have in common: at most one armed timer, on a loop that
// may go first. Held by its owner, and by timer and call while there are any.
class ZMQLOOP_EXPORT OwnedTimer : public std::enable_shared_from_this<OwnedTimer> {
 public:
  OwnedTimer(const OwnedTimer&) = delete;
  OwnedTimer& operator=(const OwnedTimer&) = delete;
  virtual ~OwnedTimer();

  bool is_running() const noexcept { return running_ && open_loop() != nullptr; }
  void stop(const char* operation);
  // The owner's end. `owner`: what to call it in a complaint that it was never called.
  void abandon(const char* owner) noexcept;

  // The timer is due: calls the callable, unless the owner has ended.
  void fire();

 protected:
  // `loop`: null for the one that is current at each start.
  explicit OwnedTimer(IOLoop* loop);

  // A call that is under way, and what it has returned: keeps the callable. Ended once, in one way or
  // the other: by end() on the loop's thread; or dropped, with the task that the call has returned,
  // by the loop that closes, or another one that the task had gone to.
  class Call {
   public:
    Call(OwnedTimer& timer, LoopCore& core) noexcept : timer_(&timer), core_(&core) {}
    Call(Call&& other) noexcept
        : timer_(std::exchange(other.timer_, nullptr)), core_(other.core_) {}
    Call& operator=(Call&&) = delete;
    ~Call() {
      if (timer_ != nullptr) timer_->call_is_dropped(*core_);
    }
    // Moved from: no effect.
    void end() {
      if (timer_ != nullptr) std::exchange(timer_, nullptr)->end_call();
    }

   private:
    OwnedTimer* timer_;  // kept by who has the call
    LoopCore* core_;
  };

  // Before a call; and when it is over, what it has returned included.
  virtual void call_begins() = 0;
  virtual void call_is_over() {}
  // Calls the callable. If what it returns goes on, the call is moved there.
  virtual void call(LoopCore& core, Call& under_way) = 0;
  virtual void destroy_callable() noexcept = 0;
  // Whether the owner has not ended.
  bool is_owned() const noexcept { return (uses_ & kOwned) != 0; }

  // Adds a timer that calls fire(), under the name of the user's callable.
  virtual TimerId add_timer(LoopCore& core, TimePoint deadline) = 0;

  // Returns the loop whose thread may make calls: the one it was started on, else the chosen one.
  // Null if that is closed, or there is none.
  LoopCore* loop_for_calls() const noexcept;
  // Returns the loop to start on: the chosen one, else the current one.
  ZMQLOOP_LOCAL std::shared_ptr<LoopCore> loop_for_start();
  // Returns the loop it was started on last; null if it is closed, or there is none.
  LoopCore* open_loop() const noexcept;
  const std::shared_ptr<LoopCore>& started_on() const noexcept { return started_on_; }
  // With access to the loop and no timer armed; if it throws, nothing has changed.
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

  // Constant after construction: null if it is the current one at each start.
  const std::shared_ptr<LoopCore> chosen_;

  // Written by starts alone; read by abandon() on the thread where the owner ends.
  std::shared_ptr<LoopCore> started_on_;
  bool fell_back_ = false;                 // to the instance, as no loop was current
  TimePoint unrun_due_ = TimePoint::max(); // of a loop that has never run

  // Loop thread only.
  TimerId timer_;

  // Shared. The calls under way, and kOwned. The owner or call that makes it zero destroys the
  // callable.
  std::atomic<std::uint32_t> uses_{kOwned};
  std::atomic<bool> running_{false};  // written on the loop's thread
};

// What the loop holds of an OwnedTimer.
template <class F>
struct OwnedTimerShot {
  std::shared_ptr<OwnedTimer> timer;
  void operator()() { timer->fire(); }
};
template <class F>
struct one_shot::ReportedType<OwnedTimerShot<F>> : one_shot::ReportedType<F> {};

// An OwnedTimer of kind Base with the callable that it calls.
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
  // Its home is the timer's loop, to which it comes back wherever what the callable returns has
  // gone. Takes the call once it has begun: until then that is the caller's, who began it.
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
