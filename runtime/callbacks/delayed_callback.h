// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Calls a function once, some time after it was last told to start. Can be stopped, and started
// again.
//
//   DelayedCallback save([&] { file.save(); }, 500ms);
//   save.start();        // on the current loop, in 500 ms
//   save.start();        // counted anew: 500 ms from now
//   save.stop();         // not at all
//
// What the callable returns, if that is a Task or a Future, is run to its end on the loop.
//
// Threads: the loop's, as for its timers; before the loop runs, the thread that sets it up. The
// destructor any, at any moment: a call that is running goes on to its end, and none begins.
// Owns: the callable, and the timer. A call that is running keeps what it needs until what it has
// returned has ended: the callable may destroy its DelayedCallback. The loop may be closed or
// destroyed before.
// Errors: std::invalid_argument (null callable); start(): what IOLoop::add_timeout() throws, so
// LoopClosedError if the loop is closed or destroyed; stop(): std::logic_error on another thread
// while the loop runs. What the callable throws goes to IOLoop::handle_callback_exception().
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
  // Calls `f` after `delay`, once started; zero and negative: as soon as possible, yet never from
  // within start(). `loop`: null for the one that is current at each start. (pyzmq:
  // DelayedCallback)
  template <TimerCallable F>
  DelayedCallback(F&& f, AnyDuration delay, IOLoop* loop = nullptr) {
    require_callable("DelayedCallback", f);
    timer_ = std::make_shared<OwnedTimerOf<DelayedTimer, std::decay_t<F>>>(std::forward<F>(f),
                                                                           delay.value(), loop);
  }
  DelayedCallback(const DelayedCallback&) = delete;
  DelayedCallback& operator=(const DelayedCallback&) = delete;
  // Stops it, and destroys the callable unless that is running. Waits for nothing.
  ~DelayedCallback() { timer_->abandon("DelayedCallback"); }

  // Has `f` called once, `delay` from now. A start before is forgotten. Also from within `f`.
  void start() { timer_->start(); }
  // Takes the start back: `f` is not called. Any number of times.
  void stop() { timer_->stop("DelayedCallback::stop"); }
  // Returns whether a call is to come; no longer while `f` runs, unless it was started again.
  bool is_running() const noexcept { return timer_->is_running(); }

 private:
  std::shared_ptr<DelayedTimer> timer_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_CALLBACKS_DELAYED_CALLBACK_H_
