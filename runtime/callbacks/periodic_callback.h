// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Calls a function again and again, at the multiples of a period after its start.
//
//   PeriodicCallback beat([&] { send(heartbeat); }, 1s);      // on the loop current at start()
//   beat.start();                                             // first call in one second
//   PeriodicCallback poll([&] { return ask(server); },        // a Future: waits for each answer
//                         100ms, {.jitter = 0.2, .missed = MissedTicks::kDelay}, &loop);
//
// The next tick is scheduled when the callable has returned; if it returned a Future or a Task,
// when that is ready. So calls never overlap while the loop is open, not even across stop() and
// start(). (Once the loop is closed, it may be started on another loop, although a task of its last
// call may still run elsewhere.) MissedTicks decides about the slots that go by in the meantime.
//
// Threads: the loop's, as for its timers; before the loop runs, the thread that sets it up. Futures
// may become ready on any thread. The destructor any, at any moment: a running call goes on to its
// end, and no other begins.
// Owns: the callable and the timer. A running call keeps both until the Task or Future that it
// returned has ended, so the callable may destroy its PeriodicCallback. The loop may be closed or
// destroyed earlier.
// Errors: std::invalid_argument (null callable, period, jitter). start(): the exceptions of
// IOLoop::add_timeout(), so LoopClosedError if the loop is closed or destroyed; std::logic_error if
// a call is not over on another loop. stop(): std::logic_error on another thread while the loop
// runs. Exceptions of the callable and of its tasks and futures go to
// IOLoop::handle_callback_exception(), and the ticks go on.
// Public.

#ifndef ZMQLOOP_RUNTIME_CALLBACKS_PERIODIC_CALLBACK_H_
#define ZMQLOOP_RUNTIME_CALLBACKS_PERIODIC_CALLBACK_H_

#include <atomic>
#include <memory>
#include <random>
#include <type_traits>
#include <utility>

#include "zmqloop/runtime/basics/callable_check.h"
#include "zmqloop/runtime/callbacks/owned_timer.h"
#include "zmqloop/runtime/callbacks/periodic_schedule.h"
#include "zmqloop/runtime/loop/io_loop.h"
#include "zmqloop/threading/host/export.h"

namespace zmqloop {

// A PeriodicCallback without its callable. Internal.
class ZMQLOOP_EXPORT PeriodicTimer : public OwnedTimer {
 public:
  PeriodicTimer(const PeriodicSchedule& schedule, IOLoop* loop)
      : OwnedTimer(loop), schedule_(schedule) {}

  Duration period() const noexcept { return schedule_.period(); }
  void set_period(AnyPeriod period);
  void start();

 protected:
  void call_begins() final { in_flight_ = true; }
  void call_is_over() final;

 private:
  ZMQLOOP_LOCAL void schedule_tick(std::shared_ptr<LoopCore> core, TimePoint last, TimePoint now);

  // Loop thread only.
  PeriodicSchedule schedule_;
  TimePoint last_;  // the last deadline, or the time of the start
  std::minstd_rand random_;

  // Shared: a start on another loop checks that the call on the last loop is over. Written last.
  std::atomic<bool> in_flight_{false};
};

class PeriodicCallback {
 public:
  struct Options {
    double jitter = 0;  // 0 to 1: each period is drawn anew, from period * [1 - j/2, 1 + j/2]
    MissedTicks missed = MissedTicks::kSkip;
  };

  // Calls `f` once per period, once started. `loop`: null for the loop that is current at each
  // start; if none is, IOLoop::instance(). (tornado: PeriodicCallback)
  template <TimerCallable F>
  PeriodicCallback(F&& f, AnyPeriod period, IOLoop* loop = nullptr)
      : PeriodicCallback(std::forward<F>(f), period, Options(), loop) {}
  template <TimerCallable F>
  PeriodicCallback(F&& f, AnyPeriod period, Options options, IOLoop* loop = nullptr) {
    require_callable("PeriodicCallback", f);
    const PeriodicSchedule schedule(period, options.jitter, options.missed);
    timer_ = std::make_shared<OwnedTimerOf<PeriodicTimer, std::decay_t<F>>>(std::forward<F>(f),
                                                                            schedule, loop);
  }
  PeriodicCallback(const PeriodicCallback&) = delete;
  PeriodicCallback& operator=(const PeriodicCallback&) = delete;
  // Stops it, and destroys the callable unless a call is running. Never waits.
  ~PeriodicCallback() { timer_->abandon("PeriodicCallback"); }

  // Schedules the first tick, one period from now. No effect while running. Works inside `f` too.
  void start() { timer_->start(); }
  // Cancels the next tick. Works inside `f` too, and can be repeated. If a returned future that it
  // waits for fails later, that is still reported.
  void stop() { timer_->stop("PeriodicCallback::stop"); }
  // Returns whether it was started and not stopped since; true also while `f` runs. False once its
  // loop is closed: then it can be started on another.
  bool is_running() const noexcept { return timer_->is_running(); }

  Duration period() const noexcept { return timer_->period(); }
  // Changes the period. The tick that is already scheduled keeps its time. (tornado: callback_time)
  void set_period(AnyPeriod period) { timer_->set_period(period); }

 private:
  std::shared_ptr<PeriodicTimer> timer_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_CALLBACKS_PERIODIC_CALLBACK_H_
