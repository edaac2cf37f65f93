// Calls a function once, some time after it was last told to start. Can be stopped, and started
// again.
//
//   DelayedCallback save([&] { file.save(); }, 500ms);
//   save.start();        // on the current loop, in 500 ms
//   save.start();        // counted anew: 500 ms from now
//   save.stop();         // not at all
//
// Threads: the loop's, as for its timers; before the loop runs, the thread that sets it up. The
// destructor does no harm on another thread, but the callable may still be called until the loop
// gets to hear of it.
// Owns: the callable, and the timer. A call that is running keeps what it needs until it returns:
// the callable may destroy its DelayedCallback. The loop may be closed or destroyed before.
// Errors: std::invalid_argument (null callable); start(): what IOLoop::add_timeout() throws, and
// LoopClosedError if the loop is destroyed; stop(): std::logic_error on another thread while the
// loop runs. What the callable throws goes to IOLoop::handle_callback_exception().
// Public.

#ifndef ZMQLOOP_RUNTIME_DELAYED_CALLBACK_H_
#define ZMQLOOP_RUNTIME_DELAYED_CALLBACK_H_

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "zmqloop/runtime/callable_check.h"
#include "zmqloop/runtime/io_loop.h"
#include "zmqloop/runtime/owned_timer.h"
#include "zmqloop/runtime/times.h"

namespace zmqloop {

// A DelayedCallback without its callable. Internal.
class DelayedTimer : public OwnedTimer {
 public:
  DelayedTimer(Duration delay, IOLoop* loop) : OwnedTimer(loop), delay_(delay) {}
  void start();
  void fire() final;

 protected:
  virtual void call() = 0;

 private:
  const Duration delay_;
};

template <class F>
class DelayedCall final : public OwnedTimerOf<DelayedTimer, F> {
  using OwnedTimerOf<DelayedTimer, F>::OwnedTimerOf;
  void call() override { static_cast<void>(std::invoke(this->f_)); }
};

class DelayedCallback {
 public:
  // Calls `f` after `delay`, once started; zero and negative: as soon as possible, yet never from
  // within start(). `loop`: null for the one that is current at each start. (pyzmq:
  // DelayedCallback)
  template <TimerCallable F>
  DelayedCallback(F&& f, AnyDuration delay, IOLoop* loop = nullptr) {
    require_callable("DelayedCallback", f);
    timer_ =
        std::make_shared<DelayedCall<std::decay_t<F>>>(std::forward<F>(f), delay.value(), loop);
  }
  DelayedCallback(const DelayedCallback&) = delete;
  DelayedCallback& operator=(const DelayedCallback&) = delete;
  // Stops it, and destroys the callable unless that is running.
  ~DelayedCallback() { timer_->abandon(); }

  // Has `f` called once, `delay` from now. A start before is forgotten. Also from within `f`.
  void start() { timer_->start(); }
  // Takes the start back: `f` is not called. Any number of times.
  void stop() { timer_->stop(); }
  // Returns whether a call is to come; no longer while `f` runs, unless it was started again.
  bool is_running() const noexcept { return timer_->is_running(); }

 private:
  std::shared_ptr<DelayedTimer> timer_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_DELAYED_CALLBACK_H_
