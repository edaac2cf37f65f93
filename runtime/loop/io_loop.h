// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// An event loop: runs the callbacks, timers and I/O handlers of one thread, and takes work from any
// thread.
//
//   zmqloop::IOLoop loop;
//   std::thread worker([&] { loop.add_callback([] { std::puts("hello from the loop"); });
//                            loop.add_callback([&] { loop.stop(); }); });
//   loop.start();
//   worker.join();
//
// Names and semantics are those of IOLoop in tornado and pyzmq. loop_core.h lists the steps of one
// iteration in their order. Every callback runs on the thread that called start().
//
// Threads: three groups, marked below. "Loop thread" means the thread that runs the loop; while the
// loop does not run, any one thread at a time. A loop of a LoopThread or LoopPool belongs to its
// own thread from construction, also before that thread has begun to run it.
// Owns: the callables given to it, until they have run or been removed, or the loop is closed.
// Errors: std::invalid_argument (null callable, unknown descriptor), std::logic_error (wrong
// thread, already running, in a forked child), LoopClosedError (after close), std::system_error and
// zmq::error_t (the OS, ZeroMQ). Exceptions of callbacks go to handle_callback_exception().
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

  // Makes a loop. Throws std::system_error, which names the failed call, if descriptors or memory
  // run out.
  IOLoop() : IOLoop(Options()) {}
  explicit IOLoop(Options options);
  // Closes the loop. If it still runs, terminates the process with a message that names it.
  virtual ~IOLoop();

  // ---- any thread: which loop ----

  // Returns the process's loop; the first call makes it. It is never destroyed at exit.
  static IOLoop& instance() { return CurrentLoop::instance(); }
  static bool initialized() { return CurrentLoop::instance_or_null() != nullptr; }
  // Makes this loop the instance; std::logic_error if another loop is.
  void install();
  // Forgets the instance. If instance() made it, it is closed and destroyed (std::logic_error if it
  // runs).
  static void clear_instance() { CurrentLoop::clear_instance(); }

  // Returns the loop that runs on this thread, else the one made current on it, else instance().
  static IOLoop& current();
  static IOLoop* current_or_null() noexcept { return CurrentLoop::get(); }
  void make_current() { CurrentLoop::set(entry_.reference()); }
  static void clear_current() { CurrentLoop::set({}); }

  // Sets the poller, "epoll" or "zmq_poll", of later loops whose options name none.
  static void configure(PollerKind kind);
  static void configure(std::string_view name) { configure(parse_poller_kind(name)); }
  static PollerKind configured() { return configured_poller(); }

  // ---- any thread: work for the loop ----

  // add_callback, try_add_callback, call_when_below, spawn_callback, add_callback_from_signal,
  // prepare_signal_callback, submit, add_future, run_in_executor, schedule, name: see loop_inlet.h.

  // ---- any thread, any signal handler ----

  // Stops the loop. Latched: if the loop does not run, the next start() returns at once. Called in
  // a callback or timer: the rest of the batch runs as long as Options::turn_budget lasts, nothing
  // is polled, and the remaining callbacks wait for the next start(). Called in a handler: the
  // remaining handlers run, then one more pass of callbacks and timers. Async-signal-safe.
  // (tornado: stop)
  void stop() noexcept { core_->request_stop(); }

  bool is_running() const noexcept { return core_->affinity().is_running(); }
  // A closed loop refuses every post.
  bool is_closed() const noexcept { return core_->is_closed() || core_->affinity().is_foreign(); }
  // Returns whether the loop runs on the calling thread.
  bool in_loop_thread() const noexcept { return is_running() && core_->affinity().is_here(); }
  PollerKind poller_kind() const noexcept { return poller_kind_; }
  LoopStats stats() const noexcept;

  // ---- loop thread ----

  // Runs the loop on this thread until it is stopped; meanwhile it is the current loop. May be
  // called again afterwards. std::logic_error if this loop runs already, or another one runs on
  // this thread. (tornado: start)
  void start();

  // Starts the loop, runs `f` on it and returns the result of `f`, or of the future or task that
  // `f` returns. There are four outcomes: the value; the exception of `f`; TimeoutError;
  // StoppedError. (tornado: run_sync)
  template <CallableAgainWith F>
  auto run_sync(F&& f, TimeLimit limit = {}) -> SyncResult<F> {
    require_callable("IOLoop::run_sync", f);
    const auto call = std::make_shared<SyncCall<std::decay_t<F>>>(std::forward<F>(f));
    run_call(call, limit);
    return call->take_result();
  }

  // Calls `f` at a time point, or after a delay from now, never early. Equal deadlines run first
  // in, first out. The handle cancels the call. (tornado: add_timeout, call_at, call_later)
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
  // No effect if the timer has fired or was cancelled. An empty handle: no effect, on any thread. A
  // handle of another loop: std::invalid_argument.
  void remove_timeout(TimeoutHandle handle);
  // Returns the time of the loop's clock.
  TimePoint time() const { return core_->now(); }

  // Calls `f(Pollable, Events)`, or `f()`, whenever the descriptor or ZeroMQ socket is ready for
  // `events`, or in error. Level-triggered; but if a call returns a Task or a Future, the next call
  // comes only after that has ended. Already registered: std::invalid_argument, and the first
  // registration stays. (tornado: add_handler, update_handler, remove_handler)
  template <CallableWithOrWithout<Pollable, Events> F>
  void add_handler(Pollable pollable, F&& f, Events events) {
    require_callable("IOLoop::add_handler", f);
    add_erased_handler(pollable, make_handler(run_handler_to_end(*core_, std::forward<F>(f))),
                       events, typeid(std::decay_t<F>));
  }
  // Changes the events. An event no longer subscribed to is not delivered, even if it was polled
  // before.
  void update_handler(Pollable pollable, Events events);
  // Ends a registration, also of a closed descriptor. No effect if there is none. Call this before
  // you close the descriptor or socket.
  void remove_handler(Pollable pollable);
  // Makes the loop examine a registered socket again. Needed only after a raw connect or disconnect
  // on that socket.
  void touch(Pollable pollable);
  // Calls `f(signum)`, or `f()`, on this loop, once for each such signal that the process receives.
  // Replaces an earlier handler of this loop. Several loops may handle the same signal. At least
  // one thread must leave the signal unblocked. The process's handler runs on the thread's
  // alternate stack, if it has one. SIGKILL, SIGSTOP and faults: std::invalid_argument.
  template <CallableWithOrWithout<int> F>
  void add_signal_handler(int signum, F&& f) {
    const LoopAffinity::Access access(core_->affinity(), "IOLoop::add_signal_handler");
    require_callable("IOLoop::add_signal_handler", f);
    SignalHandlers::require_handleable(signum);
    OnSignal<std::decay_t<F>> handler{std::forward<F>(f), signum};
    signal_handlers_.add(core_, signum, run_each_to_end(*core_, std::move(handler)), name());
  }
  // Removes the handler; returns whether there was one. The last loop to remove its handler
  // restores the signal's earlier action.
  bool remove_signal_handler(int signum);

  // Returns the descriptor number and the argument itself. (tornado: split_fd, close_fd)
  static std::pair<int, Pollable> split_fd(Pollable pollable) { return {pollable.fd(), pollable}; }
  static void close_fd(Pollable pollable) noexcept { pollable.close(); }

  // Refuses all later work and destroys the remaining work, on this thread. `all_fds` also closes
  // the registered descriptors and sockets, except a number or handle that by now names another
  // file or socket. (A number that names the same open file again, by dup(), is closed.)
  // Idempotent. While running: std::logic_error. (tornado: close)
  CloseReport close(bool all_fds = false);

  // Receives the exceptions of callbacks, timers and handlers. The default writes the exception's
  // type and text and the callable's type to standard error. If an override throws, that exception
  // leaves start(), and the loop may be started again. If the override was called for a task that a
  // callable returned, its exception leaves start() in the next iteration; if the loop is stopped
  // before that, in a later start(). If a handler throws on every call, at most
  // LoopOptions::stall_reports_per_minute repetitions a minute are reported. (tornado: same name)
  virtual void handle_callback_exception(std::exception_ptr error);
  // For use in handle_callback_exception(): returns how many exceptions of such handlers were
  // suppressed since the last report.
  std::uint64_t suppressed_exceptions() const noexcept { return suppressed_; }

  // Calls `action` when a callback, timer or handler has blocked for `threshold`, and again when it
  // has ended; stall_report.h has the details. An empty or infinite threshold turns this off at
  // once. Setting it and turning it off both wait for a running `action` of this loop to return.
  // Zero, negative, NaN or a null action: std::invalid_argument. (tornado: same names)
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
  const std::type_info* failed_callable_ = nullptr;  // of the exception being handled
  std::uint64_t suppressed_ = 0;                     // exceptions of handlers, before it
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_LOOP_IO_LOOP_H_
