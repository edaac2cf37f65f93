// Calls a function again and again, at the multiples of a period after its start.
//
//   PeriodicCallback beat([&] { send(heartbeat); }, 1s);      // on the loop current at start()
//   beat.start();                                             // first in a second
//   PeriodicCallback poll([&] { return ask(server); },        // a Future: waits for each answer
//                         100ms, {.jitter = 0.2, .missed = MissedTicks::kDelay}, &loop);
//
// The next tick is scheduled when the callable has returned, and if it returned a Future or a Task,
// when that is ready: calls never overlap, not even if it was stopped and started meanwhile. What
// becomes of the slots that go by in the meantime is a matter of MissedTicks.
//
// Threads: the loop's, as for its timers; before the loop runs, the thread that sets it up. Futures
// may become ready on any thread. The destructor does no harm on another thread, but the callable
// may still be called until the loop gets to hear of it.
// Owns: the callable, and the timer. A call that is running keeps what it needs until it returns:
// the callable may destroy its PeriodicCallback. The loop may be closed or destroyed before.
// Errors: std::invalid_argument (null callable, period, jitter); start(): what
// IOLoop::add_timeout() throws, LoopClosedError if the loop is destroyed, std::logic_error while a
// future of another loop's is waited for; stop(): std::logic_error on another thread while the loop
// runs. What the callable throws, and what its futures hold instead of a value, goes to
// IOLoop::handle_callback_exception(), and the ticks go on.
// Public.

#ifndef ZMQLOOP_RUNTIME_PERIODIC_CALLBACK_H_
#define ZMQLOOP_RUNTIME_PERIODIC_CALLBACK_H_

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "zmqloop/runtime/callable_check.h"
#include "zmqloop/runtime/future.h"
#include "zmqloop/runtime/io_loop.h"
#include "zmqloop/runtime/owned_timer.h"
#include "zmqloop/runtime/periodic_schedule.h"
#include "zmqloop/runtime/task.h"
#include "zmqloop/threading/one_shot.h"

namespace zmqloop {

// Whether a callable that returns R goes on after it has returned, and how to wait for it. One
// specialisation per kind of asynchronous result. Internal.
template <class R>
struct AsyncResult : std::false_type {};
template <class T>
struct AsyncResult<Future<T>> : std::true_type {
  static Future<T> future(IOLoop&, Future<T> result) { return result; }
};
template <class T>
struct AsyncResult<Task<T>> : std::true_type {
  static Future<T> future(IOLoop& loop, Task<T> result) { return spawn(loop, std::move(result)); }
};

// A PeriodicCallback without its callable. Internal.
class PeriodicTimer : public OwnedTimer {
 public:
  PeriodicTimer(const PeriodicSchedule& schedule, IOLoop* loop)
      : OwnedTimer(loop), schedule_(schedule) {}

  PeriodicSchedule& schedule() noexcept { return schedule_; }
  void start();
  void fire() final;
  // The call that fire() began is over: schedules the next.
  void complete();

 protected:
  // Calls the callable; false if it goes on: then complete() follows, on this loop's thread.
  virtual bool call(IOLoop& loop) = 0;

 private:
  void schedule_tick(std::shared_ptr<LoopIdentity> loop, TimePoint last, TimePoint now);

  // Loop thread only.
  PeriodicSchedule schedule_;
  TimePoint last_;  // deadline, or time of the start
  std::minstd_rand random_;

  // Shared: a start on another loop looks whether the call on the last one is over. Written last.
  std::atomic<bool> in_flight_{false};
};

// What is called when a callable's future is ready. Does not keep the timer alive.
template <class F>
struct PeriodicCallEnd {
  std::weak_ptr<OwnedTimer> timer;
  template <class T>
  void operator()(Future<T> ready) {
    if (const auto here = timer.lock()) static_cast<PeriodicTimer&>(*here).complete();
    if (const std::exception_ptr error = ready.exception()) std::rethrow_exception(error);
  }
};
template <class F>
struct one_shot::ReportedType<PeriodicCallEnd<F>> : one_shot::ReportedType<F> {};

template <class F>
class PeriodicCall final : public OwnedTimerOf<PeriodicTimer, F> {
  using Returned = AsyncResult<std::decay_t<std::invoke_result_t<F&>>>;

  using OwnedTimerOf<PeriodicTimer, F>::OwnedTimerOf;

  bool call(IOLoop& loop) override {
    if constexpr (Returned::value) {
      const auto result = Returned::future(loop, std::invoke(this->f_));
      if (!result.valid()) {
        throw std::logic_error("PeriodicCallback: the callable returned an empty future");
      }
      if (!result.is_ready()) {
        loop.add_future(result, PeriodicCallEnd<F>{this->weak_from_this()});
        return false;
      }
      if (const std::exception_ptr error = result.exception()) std::rethrow_exception(error);
    } else {
      static_cast<void>(std::invoke(this->f_));
    }
    return true;
  }
};

class PeriodicCallback {
 public:
  struct Options {
    double jitter = 0;  // 0 to 1: each period is drawn anew, from period * [1 - j/2, 1 + j/2]
    MissedTicks missed = MissedTicks::kSkip;
  };

  // Calls `f` once a period, once started. `loop`: null for the one that is current at each start.
  // (tornado: PeriodicCallback)
  template <TimerCallable F>
  PeriodicCallback(F&& f, AnyPeriod period, IOLoop* loop = nullptr)
      : PeriodicCallback(std::forward<F>(f), period, Options(), loop) {}
  template <TimerCallable F>
  PeriodicCallback(F&& f, AnyPeriod period, Options options, IOLoop* loop = nullptr) {
    require_callable("PeriodicCallback", f);
    const PeriodicSchedule schedule(period, options.jitter, options.missed);
    timer_ = std::make_shared<PeriodicCall<std::decay_t<F>>>(std::forward<F>(f), schedule, loop);
  }
  PeriodicCallback(const PeriodicCallback&) = delete;
  PeriodicCallback& operator=(const PeriodicCallback&) = delete;
  // Stops it, and destroys the callable unless that is running.
  ~PeriodicCallback() { timer_->abandon(); }

  // Schedules the first tick, one period from now; while running: no effect. Also from within `f`.
  void start() { timer_->start(); }
  // Cancels the next tick. Also from within `f`; any number of times. A future that is waited for
  // is still reported if it fails.
  void stop() { timer_->stop(); }
  // Returns whether it was started and not stopped since, also while `f` runs. False once its loop
  // is closed: then it can be started on another.
  bool is_running() const noexcept { return timer_->is_running(); }

  Duration period() const noexcept { return timer_->schedule().period(); }
  // Changes the period: from the next tick to be scheduled, not the one that is. (tornado:
  // callback_time)
  void set_period(AnyPeriod period) { timer_->schedule().set_period(period); }

 private:
  std::shared_ptr<PeriodicTimer> timer_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_PERIODIC_CALLBACK_H_
