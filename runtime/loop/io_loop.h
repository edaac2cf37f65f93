// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// An event loop: runs callbacks, timers and I/O handlers of one thread, and takes work from any
// thread.
//
//   zmqloop::IOLoop loop;
//   std::thread worker([&] { loop.add_callback([] { std::puts("hello from the loop"); });
//                            loop.add_callback([&] { loop.stop(); }); });
//   loop.start();
//   worker.join();
//
// Its names and semantics are tornado's and pyzmq's IOLoop. What one iteration does, in which
// order, is in loop_core.h; every callback runs on the thread that called start().
//
// Threads: three groups, marked below. "Loop thread" means: the thread the loop runs on; while it
// does not run, any one thread at a time. The loops of LoopThread and LoopPool are their threads'
// from construction on, also before these have begun to run them.
// Owns: the callables given to it, until they were run, removed or closed.
// Errors: std::invalid_argument (null callable, unknown descriptor), std::logic_error (wrong
// thread, already running, in a forked child), LoopClosedError (after close), std::system_error and
// zmq::error_t (the OS, ZeroMQ). Exceptions that callbacks throw go to handle_callback_exception().
// Public.

#ifndef ZMQLOOP_RUNTIME_LOOP_IO_LOOP_H_
#define ZMQLOOP_RUNTIME_LOOP_IO_LOOP_H_

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "zmqloop/poller/events.h"
#include "zmqloop/poller/pollable.h"
#include "zmqloop/poller/poller.h"
#include "zmqloop/runtime/basics/callable_check.h"
#include "zmqloop/runtime/basics/errors.h"
#include "zmqloop/runtime/basics/times.h"
#include "zmqloop/runtime/core/handler_table.h"
#include "zmqloop/runtime/core/loop_affinity.h"
#include "zmqloop/runtime/core/loop_core.h"
#include "zmqloop/runtime/core/loop_options.h"
#include "zmqloop/runtime/loop/current_loop.h"
#include "zmqloop/runtime/loop/loop_inlet.h"
#include "zmqloop/runtime/loop/sync_call.h"
#include "zmqloop/runtime/signals/signal_handlers.h"
#include "zmqloop/runtime/stalls/stall_report.h"
#include "zmqloop/runtime/tasks/callback_task.h"
#include "zmqloop/runtime/tasks/handler_task.h"
#include "zmqloop/runtime/timers/timeout_handle.h"
#include "zmqloop/threading/host/export.h"
#include "zmqloop/threading/mailbox/counter.h"
#include "zmqloop/threading/mailbox/one_shot.h"

namespace zmqloop {

class ZMQLOOP_EXPORT IOLoop : public LoopInlet, private ExceptionSink {
 public:
  using Options = LoopOptions;
  static constexpr Events kNone = Events::kNone;
  static constexpr Events kRead = Events::kRead;
  static constexpr Events kWrite = Events::kWrite;
  static constexpr Events kError = Events::kError;

  // Makes a loop. Throws std::system_error, naming the call, when descriptors or memory run out.
  IOLoop() : IOLoop(Options()) {}
  explicit IOLoop(Options options);
  // Closes the loop. A loop that still runs: terminates the process with a message that names it.
  virtual ~IOLoop();

  // ---- any thread: which loop ----

  // Returns the process's loop, made when first asked for. Never destroyed at exit.
  static IOLoop& instance() { return CurrentLoop::instance(); }
  static bool initialized() { return CurrentLoop::instance_or_null() != nullptr; }
  // Makes this loop the instance; std::logic_error if another one is.
  void install();
  // Forgets the instance; one that instance() made is closed and destroyed (running:
  // std::logic_error).
  static void clear_instance() { CurrentLoop::clear_instance(); }

  // Returns the loop running on this thread, else the one made current on it, else instance().
  static IOLoop& current();
  static IOLoop* current_or_null() noexcept { return CurrentLoop::get(); }
  void make_current() { CurrentLoop::set(entry_.reference()); }
  static void clear_current() { CurrentLoop::set({}); }

  // Chooses the poller of loops made later without one in their options: "epoll" or "zmq_poll".
  static void configure(PollerKind kind);
  static void configure(std::string_view name) { configure(parse_poller_kind(name)); }
  static PollerKind configured() { return configured_poller(); }

  // ---- any thread: work for the loop ----

  // add_callback, try_add_callback, call_when_below, spawn_callback, add_callback_from_signal,
  // prepare_signal_callback, submit, add_future, run_in_executor, name: see loop_inlet.h.

  // ---- any thread, any signal handler ----

  // Stops the loop. Latched: the next start() returns at once if none is running. During a callback
  // or timer, the rest of the batch runs as long as Options::turn_budget lasts, nothing is polled,
  // and what is left waits for the next start(); during a handler, the rest of the handlers and one
  // more pass of callbacks and timers run. Async-signal-safe. (tornado: stop)
  void stop() noexcept { core_->request_stop(); }

  bool is_running() const noexcept { return core_->affinity().is_running(); }
  // Once it is, every post is refused.
  bool is_closed() const noexcept { return core_->is_closed() || core_->affinity().is_foreign(); }
  // Returns whether the loop runs on the calling thread.
  bool in_loop_thread() const noexcept { return is_running() && core_->affinity().is_here(); }
  PollerKind poller_kind() const noexcept { return poller_kind_; }
  LoopStats stats() const noexcept;

  // ---- loop thread ----

  // Runs the loop on this thread until it is stopped, and makes it current meanwhile. May be called
  // again afterwards. std::logic_error if this or another loop runs already. (tornado: start)
  void start();

  // Starts the loop, runs `f` on it and returns its result, or that of the future it returns. The
  // four outcomes are: the value; the exception of `f`; TimeoutError; StoppedError. (tornado:
  // run_sync)
  template <CallableAgainWith F>
  auto run_sync(F&& f, TimeLimit limit = {}) -> SyncResult<F> {
    require_callable("IOLoop::run_sync", f);
    const auto call = std::make_shared<SyncCall<std::decay_t<F>>>(std::forward<F>(f));
    run_call(call, limit);
    return call->take_result();
  }

  // Calls `f` at a time point, or after a delay from now, never early. FIFO among equals. The
  // handle cancels it. (tornado: add_timeout, call_at, call_later)
  template <class F, class... A>
  requires CallableWith<F, A...>
  TimeoutHandle add_timeout(Deadline deadline, F&& f, A&&... arguments) {
    return add_timer("IOLoop::add_timeout", deadline, std::forward<F>(f),
                     std::forward<A>(arguments)...);
  }
  template <class F, class... A>
  requires CallableWith<F, A...>
  TimeoutHandle call_at(AnyTimePoint when, F&& f, A&&... arguments) {
    return add_timer("IOLoop::call_at", when.value(), std::forward<F>(f),
                     std::forward<A>(arguments)...);
  }
  template <class F, class... A>
  requires CallableWith<F, A...>
  TimeoutHandle call_later(AnyDuration delay, F&& f, A&&... arguments) {
    return add_timer("IOLoop::call_later", delay.value(), std::forward<F>(f),
                     std::forward<A>(arguments)...);
  }
  // Cancels a timer and destroys its callable, also from a callback or timer of the same iteration.
  // Any number of times; one that has fired: no effect. Nothing: no effect on any thread.
  void remove_timeout(TimeoutHandle handle);
  // Returns the time of the loop's clock.
  TimePoint time() const { return core_->now(); }

  // Calls `f(Pollable, Events)`, or `f()`, whenever the descriptor or ZeroMQ socket is ready for
  // `events`, or in error. Level-triggered; but what a call returns, if that is a Task or a Future,
  // has ended before the next call. Registered already: std::invalid_argument, the first stays.
  // (tornado: add_handler, update_handler, remove_handler)
  template <CallableWithOrWithout<Pollable, Events> F>
  void add_handler(Pollable pollable, F&& f, Events events) {
    require_callable("IOLoop::add_handler", f);
    add_erased_handler(pollable, make_handler(run_handler_to_end(*core_, std::forward<F>(f))),
                       events, typeid(std::decay_t<F>));
  }
  // Changes the events; one no longer subscribed to is not delivered, even if it was polled before.
  void update_handler(Pollable pollable, Events events);
  // Ends a registration; also of a closed descriptor. Nothing registered: no effect. Call it before
  // closing the descriptor or socket.
  void remove_handler(Pollable pollable);
  // Looks at a registered socket again. Needed after a raw connect or disconnect on it, nowhere
  // else.
  void touch(Pollable pollable);
  // Calls `f(signum)`, or `f()`, on this loop, once for each such signal that the process receives;
  // replaces what the loop had for it. Several loops may handle the same signal. Some thread must
  // not block it. The process's handler runs on the alternate stack, where a thread has one. SIGKILL,
  // SIGSTOP and faults: std::invalid_argument.
  template <CallableWithOrWithout<int> F>
  void add_signal_handler(int signum, F&& f) {
    const LoopAffinity::Access access(core_->affinity(), "IOLoop::add_signal_handler");
    require_callable("IOLoop::add_signal_handler", f);
    OnSignal<std::decay_t<F>> handler{std::forward<F>(f), signum};
    signal_handlers_.add(core_, signum, run_each_to_end(*core_, std::move(handler)), name());
  }
  // Returns whether the loop had a handler. The last loop to go restores what was there before.
  bool remove_signal_handler(int signum);

  // Returns the descriptor number and what was given. (tornado: split_fd, close_fd)
  static std::pair<int, Pollable> split_fd(Pollable pollable) { return {pollable.fd(), pollable}; }
  static void close_fd(Pollable pollable) noexcept { pollable.close(); }

  // Refuses all later work and destroys what is left, on this thread. `all_fds` also closes what
  // was registered, but no number or handle that is another file's or socket's by now. (A number that
  // names the same open file again, by dup(), is closed.) Idempotent. While running: std::logic_error. (tornado: close)
  CloseReport close(bool all_fds = false);

  // Receives what callbacks, timers and handlers throw. The default writes the exception's type and
  // text and the callable's type to standard error. What an override throws leaves start(), and the
  // loop may be started again; of a task that a callable has returned, in the next iteration, which is
  // that of a later start() if the loop was stopped meanwhile. A handler that throws each time it is
  // called is reported LoopOptions::stall_reports_per_minute times. (tornado: same name)
  virtual void handle_callback_exception(std::exception_ptr error);
  // Returns, for handle_callback_exception(), how many exceptions of such handlers were not reported
  // since the last that was.
  std::uint64_t suppressed_exceptions() const noexcept { return suppressed_; }

  // Has `action` told of each callback, timer or handler that blocks for `threshold`, while it does
  // and when it has ended; stall_report.h has the details. Empty, or "never": of none any more, at
  // once. Both wait for an action that is being told of this loop. Zero, negative, NaN or a null
  // action: std::invalid_argument. (tornado: same names)
  void set_blocking_signal_threshold(TimeLimit threshold, StallAction action = &IOLoop::log_stack);
  void set_blocking_log_threshold(TimeLimit threshold);
  // Writes the report to standard error in one piece.
  static void log_stack(const StallReport& report);

 private:
  friend class LoopThread;
  class RunScope;

  ZMQLOOP_LOCAL IOLoop(Options options, LoopAffinity::Owner owner);
  ZMQLOOP_LOCAL IOLoop(Options options, LoopAffinity::Owner owner, std::uint64_t id);
  template <class F, class... A>
  TimeoutHandle add_timer(const char* operation, Deadline deadline, F&& f, A&&... arguments) {
    LoopCore& loop = *core_.get();
    const LoopAffinity::Access access(loop.affinity(), operation);
    require_callable(operation, f);
    const TimePoint now = deadline.is_delay() ? loop.now() : kAtOnce;  // a clock costs 30 ns
    auto&& bound = one_shot::bind(std::forward<F>(f), std::forward<A>(arguments)...);
    return {id_, loop.timers().add(deadline.from(now),
                                   run_to_end(loop, std::forward<decltype(bound)>(bound)), now)};
  }
  void add_erased_handler(Pollable pollable, Handler handler, Events events,
                          const std::type_info& type);
  void run_call(const std::shared_ptr<SyncCallBase>& call, const TimeLimit& limit);
  ZMQLOOP_LOCAL std::optional<Duration> checked_threshold(const char* operation,
                                                          const TimeLimit& threshold) const;
  ZMQLOOP_LOCAL CloseReport close_and_report(const char* operation, bool all_fds);
  ZMQLOOP_LOCAL void end_run_at_exit() noexcept;
  void on_user_exception(std::exception_ptr error, const std::type_info* callable,
                         std::uint64_t suppressed) override;

  // Constant after construction.
  const std::uint64_t id_;
  const PollerKind poller_kind_;

  // Shared.
  LoopEntry entry_{*this};
  Counter callback_exceptions_;

  // Loop thread only.
  SignalHandlers signal_handlers_;
  const std::type_info* failed_callable_ = nullptr;  // whose exception is being handled
  std::uint64_t suppressed_ = 0;                     // of handlers, before it
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_LOOP_IO_LOOP_H_
