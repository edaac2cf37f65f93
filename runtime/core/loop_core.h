// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The core of an event loop: owns the mailbox, timers, handlers and poller, and runs its
// iterations.
//
// An iteration has four phases, and users may rely on these rules. (on_high_water is called before
// phase 1, or after phase 2.)
//   1. Callbacks: those posted before the iteration began, in order of their posts, as long as
//      LoopOptions::turn_budget lasts. Once it is used up, the posts that signal handlers have made
//      by now run next, and the rest in the next iterations. Posts that callbacks make run in a
//      later iteration.
//   2. Timers: those due when this phase began, by deadline, first armed first. A timer cancelled
//      meanwhile does not run. A timer armed meanwhile runs in the next iteration at the earliest.
//   Then, if a stop was requested, the run ends, and the rest waits for the next run. Otherwise the
//   loop calls waiters that now have room (call_when_below), for one turn_budget at most.
//   3. Poll: without waiting if callbacks are pending; else until the next timer, rounded up; else,
//      without a timer, until something happens. It is skipped while callbacks are pending and no
//      handler exists.
//   4. Handlers: those of the events that the poll found, each for events it is still registered
//      for. A handler that has returned a Task or Future is called again only once that has ended.
//
// Threads: iterations are the loop thread's; any thread may post and ring the doorbells.
// Owns: mailbox, timers, handlers, poller, doorbells.
// Errors: exceptions of user code go to the sink. An exception of the sink or the poller leaves
// run(); run() may then be called again.
// Internal: see io_loop.h.

#ifndef ZMQLOOP_RUNTIME_CORE_LOOP_CORE_H_
#define ZMQLOOP_RUNTIME_CORE_LOOP_CORE_H_

#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <typeinfo>
#include <utility>

#include "zmqloop/poller/poller.h"
#include "zmqloop/poller/signal_doorbell.h"
#include "zmqloop/poller/waker.h"
#include "zmqloop/runtime/basics/turn_clock.h"
#include "zmqloop/runtime/core/batch_pacer.h"
#include "zmqloop/runtime/core/handler_table.h"
#include "zmqloop/runtime/core/high_water.h"
#include "zmqloop/runtime/core/idle_spin.h"
#include "zmqloop/runtime/core/loop_affinity.h"
#include "zmqloop/runtime/core/loop_options.h"
#include "zmqloop/runtime/core/room_waiters.h"
#include "zmqloop/runtime/stalls/stall_monitor.h"
#include "zmqloop/runtime/stalls/stall_rate_limit.h"
#include "zmqloop/runtime/timers/timer_queue.h"
#include "zmqloop/threading/host/clock.h"
#include "zmqloop/threading/host/export.h"
#include "zmqloop/threading/host/fork_guard.h"
#include "zmqloop/threading/mailbox/counter.h"
#include "zmqloop/threading/mailbox/mailbox.h"
#include "zmqloop/threading/mailbox/one_shot.h"
#include "zmqloop/threading/mailbox/pending_limit.h"

namespace zmqloop {

// Receives the exceptions of user code.
class ExceptionSink {
 public:
  // An exception thrown here leaves run(). `suppressed`: how many exceptions of handlers were not
  // reported since the last report.
  virtual void on_user_exception(std::exception_ptr error, const std::type_info* callable,
                                 std::uint64_t suppressed) = 0;

 protected:
  ~ExceptionSink() = default;
};

class LoopCore : public std::enable_shared_from_this<LoopCore> {
 public:
  LoopCore(const LoopOptions& options, std::string name, LoopAffinity::Owner owner,
           ExceptionSink& sink);
  LoopCore(const LoopCore&) = delete;
  LoopCore& operator=(const LoopCore&) = delete;
  ~LoopCore() = default;

  // ---- any thread ----

  template <class F>
  bool post(F&& f) {
    const PostResult result = mailbox_.post(std::forward<F>(f));
    if (result == PostResult::kMustWake) [[unlikely]]
      ring_for_post();
    return result != PostResult::kRefused;
  }
  // Posts `f`, which needs no memory itself. If a lane cannot allocate, `f` goes into a signal
  // slot, like the post of a signal handler: std::bad_alloc only if those are all taken as well.
  // `f` must have strip(), see one_shot.h.
  template <class F>
  bool post_even_without_memory(F&& f);
  // Whether LoopOptions::max_pending posts wait.
  bool is_full() noexcept {
    const bool is_full = pending_limit_.is_reached(mailbox_);
    if (is_full) note_full();
    return is_full;
  }
  // Has the loop call the waiter once fewer than waiter.below posts wait; false if it is closed.
  ZMQLOOP_EXPORT bool call_when_below(RoomWaiters::Waiter waiter);
  // Also in signal handlers.
  template <class F>
  bool post_from_signal(const F& f) noexcept {
    const PostResult result = mailbox_.post_from_signal(f);
    if (result == PostResult::kMustWake) ring_for_signal();
    return result != PostResult::kRefused;
  }
  // Also in signal handlers: posts the callable of a reserved slot, see signal_callback.h.
  ZMQLOOP_EXPORT bool raise(Slot& reserved) noexcept;
  // Also in signal handlers.
  ZMQLOOP_EXPORT void request_stop() noexcept;
  // Also in signal handlers.
  bool is_closed() const noexcept { return mailbox_.look().closed(); }

  template <class F>
  Slot* reserve_signal_slot(const F& f) noexcept {
    return mailbox_.reserve_signal_slot(f);
  }
  void unreserve_signal_slot(Slot& slot) noexcept { mailbox_.unreserve_signal_slot(slot); }

  LoopStats stats() const noexcept;
  // Whether any iteration has begun.
  bool has_run() const noexcept { return iterations_.get() != 0; }
  // Counts an exception in a future that no code can look at any more.
  void count_unseen_exception() noexcept { unseen_exceptions_.add(); }

  // Tells which thread may use the loop; has the loop's name.
  LoopAffinity& affinity() noexcept { return affinity_; }

  // ---- loop thread ----

  // Iterates until a stop is requested, `done` is true or this process is a forked child.
  void run(const bool& done);
  // Consumes a stop that was requested; true if there was one.
  bool clear_stop() noexcept { return mailbox_.clear_stop(); }

  // Hands an exception of a callable to the sink. For code that the loop runs and that may not let
  // exceptions pass. Returns the exception that the sink throws, or null.
  ZMQLOOP_EXPORT std::exception_ptr report(std::exception_ptr error,
                                           const std::type_info& callable) noexcept;
  // Lets the next exception of the running callback leave run(), past the sink.
  void let_escape() noexcept { escapes_ = true; }

  TimePoint now() const { return clock_ ? clock_() : Clock::now(); }

  // Registers a handler. Throws as Poller::add() does, with nothing changed.
  void add_handler(const Pollable& pollable, Events events, const std::type_info& type,
                   Handler handler);
  // Ends a registration. No effect if there is none.
  void remove_handler(const Pollable& pollable);
  // Calls `start`, which begins a task for the running handler: the loop does not call this handler
  // again until end_task(). An exception of `start` ends the task, and is passed on.
  template <class Start>
  void begin_task(Start start);
  ZMQLOOP_EXPORT void end_task(std::uint64_t handler_token);

  // ---- once the loop has ended ----

  // Destroys all posts, timers and handlers. If `all_fds`, closes what was registered.
  CloseReport close(bool all_fds);

  // ---- forked child ----

  bool is_poisoned() const noexcept { return mailbox_.poisoned(); }
  void release_descriptors() noexcept;

  TimerQueue& timers() noexcept { return timers_; }
  HandlerTable& handlers() noexcept { return handlers_; }
  Poller& poller() noexcept { return *poller_; }
  StallMonitor& stalls() noexcept { return stalls_; }

 private:
  ZMQLOOP_EXPORT void note_full() noexcept;
  bool heeds(ControlWord::View look);
  void answer_call();
  void call_waiters();
  void tell_high_water(std::uint64_t pending);
  void run_callbacks(ControlWord::View look, std::uint64_t pending);
  void run_batch();
  void run_callback(Slot& slot);
  void run_early_posts();
  bool is_turn_over();
  void report_callback();
  void run_due_timers();
  bool run_next_timer();
  void poll_and_dispatch();
  void wait_for_straggler();
  std::optional<Duration> time_to_next_timer() const;
  bool find_work_spinning(std::optional<Duration> timeout);
  void doze(Duration limit);
  void sleep(std::optional<Duration> timeout);
  std::optional<TimePoint> end_of_sleep(std::optional<Duration> timeout) const;

  void dispatch(std::span<const Ready> ready);
  void dispatch_ends();
  void dispatch_to(HandlerTable::Entry& entry, Events found, std::size_t most_calls);
  void report_handler(std::uint64_t token);
  void forget_throws(std::uint64_t token) noexcept;
  ZMQLOOP_EXPORT void set_busy(std::uint64_t handler_token) noexcept;
  ZMQLOOP_EXPORT void pause(std::uint64_t handler_token);
  void warn_of_error_left_alone(std::uint64_t token);
  void end_registration(const Ready& event);
  void drain_doorbell(const Ready& event);

  ZMQLOOP_EXPORT void ring_for_post() noexcept;
  ZMQLOOP_EXPORT void ring_for_signal() noexcept;

  // Any thread.
  LoopAffinity affinity_;

  // Constant after construction.
  ExceptionSink& sink_;
  const std::function<TimePoint()> clock_;
  const Duration turn_budget_;
  const std::size_t socket_budget_;

  // Shared with posters.
  Mailbox mailbox_;
  PendingLimit pending_limit_;
  RoomWaiters room_waiters_;
  Atom<bool> was_full_{false};  // a poster was refused, and the loop has not heard of it
  Waker waker_;
  SignalDoorbell signal_doorbell_;
  SharedCounter wakeups_sent_;
  SharedCounter unseen_exceptions_;

  // Loop thread only.
  TimerQueue timers_;
  HandlerTable handlers_;
  const std::unique_ptr<Poller> poller_;
  std::span<const Ready> undispatched_;  // events of the last wait that an exception left over
  Slot* running_ = nullptr;  // the callback that runs, if any
  bool escapes_ = false;     // its exception leaves run()
  HighWater high_water_;
  StallRateLimit handler_reports_;  // of handlers that throw each time
  TurnClock turn_;          // of callbacks
  Duration socket_time_{};  // maximum for each socket that stays ready, in this turn
  IdleSpin idle_spin_;
  BatchPacer pacer_;
  StallMonitor stalls_;
  int straggler_looks_ = 0;  // looks in vain since the last batch that was not empty
  Counter iterations_;
  Counter run_at_close_;  // posts taken before close() began to take them
  Counter callbacks_abandoned_;
  Counter timers_fired_;
  Counter handlers_dispatched_;
  Counter exceptions_suppressed_;

  // Last: in a forked child it refuses all further posts and ends the batch.
  ForkGuard fork_guard_{[](void* core) noexcept { static_cast<LoopCore*>(core)->mailbox_.poison(); },
                        this};
};

template <class Start>
void LoopCore::begin_task(Start start) {
  const std::uint64_t token = handlers_.called_token();
  set_busy(token);
  try {
    start(token);
  } catch (...) {
    end_task(token);
    throw;
  }
  pause(token);  // most often the task has not ended yet
}

template <class F>
bool LoopCore::post_even_without_memory(F&& f) {
  try {
    return post(std::move(f));
  } catch (const std::bad_alloc&) {
    auto stripped = std::move(f).strip();
    const PostResult result = mailbox_.post_in_signal_slot(stripped);
    if (result == PostResult::kMustWake) ring_for_signal();
    if (result != PostResult::kRefused) return true;
    const bool closed = is_closed();
    one_shot::Disposal<decltype(stripped)>::dispose(stripped);
    if (!closed) throw;
    return false;
  }
}

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_CORE_LOOP_CORE_H_
