// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Calls a function once, some time after its last start(). Can be stopped and started again.
//
//   DelayedCallback save([&] { file.save(); }, 500ms);
//   save.start();        // on the current loop, in 500 ms
//   save.start();        // restarts the delay: 500 ms from now
//   save.stop();         // no call
//
// If the callable returns a Task or a Future, the loop runs it to its end.
//
// Threads: the loop's, as for its timers; before the loop runs, the thread that sets it up. The
// destructor any, at any moment: a running call goes on to its end, and no other begins.
// Owns: the callable and the timer. A running call keeps both until the Task or Future that it
// returned has ended, so the callable may destroy its DelayedCallback. The loop may be closed or
// destroyed earlier.
// Errors: std::invalid_argument (null callable). start(): the exceptions of IOLoop::add_timeout(),
// so LoopClosedError if the loop is closed or destroyed. stop(): std::logic_error on another thread
// while the loop runs. Exceptions of the callable go to IOLoop::handle_callback_exception().
// Public.

#ifndef ZMQLOOP_RUNTIME_CALLBACKS_DELAYED_CALLBACK_H_
#define ZMQLOOP_RUNTIME_CALLBACKS_DELAYED_CALLBACK_H_

#include <memory>
#include <type_traits>
#include <utility>

#include "zmqloop/runtime/basics/callable_check.h"
#include "zmqloop/runtime/basics/times.h"
#include "zmqloop/runtime/callbacks/owned_timer.h"
#include "zmqloop/runtime/loop/io_loop.h"
#include "zmqloop/threading/host/export.h"

namespace zmqloop {

// A DelayedCallback without its callable. Internal.
class ZMQLOOP_EXPORT DelayedTimer : public OwnedTimer {
 public:
  DelayedTimer(Duration delay, IOLoop* loop) : OwnedTimer(loop), delay_(delay) {}
  void start();

 protected:
  void call_begins() final;

 private:
  const Duration delay_;
};

class DelayedCallback {
 public:
  // Calls `f` after `delay`, once started. A zero or negative delay means as soon as possible, yet
  // never inside start(). `loop`: null for the loop that is current at each start. (pyzmq:
  // DelayedCallback)
  template <TimerCallable F>
  DelayedCallback(F&& f, AnyDuration delay, IOLoop* loop = nullptr) {
    require_callable("DelayedCallback", f);
    timer_ = std::make_shared<OwnedTimerOf<DelayedTimer, std::decay_t<F>>>(std::forward<F>(f),
                                                                           delay.value(), loop);
  }
  DelayedCallback(const DelayedCallback&) = delete;
  DelayedCallback& operator=(const DelayedCallback&) = delete;
  // Stops it, and destroys the callable unless a call is running. Never waits.
  ~DelayedCallback() { timer_->abandon("DelayedCallback"); }

  // Schedules one call of `f`, `delay` from now; replaces an earlier start. Works inside `f` too.
  void start() { timer_->start(); }
  // Cancels the call. Can be repeated.
  void stop() { timer_->stop("DelayedCallback::stop"); }
  // Returns whether a call is scheduled; false while `f` runs, unless it was started again.
  bool is_running() const noexcept { return timer_->is_running(); }

 private:
  std::shared_ptr<DelayedTimer> timer_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_CALLBACKS_DELAYED_CALLBACK_H_
