// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/core/loop_core.h"

#include <algorithm>
#include <chrono>
#include <sched.h>
#include <utility>

#include "zmqloop/runtime/basics/user_code.h"
#include "zmqloop/threading/host/cpu_hints.h"
#include "zmqloop/threading/host/descriptor_preflight.h"

namespace zmqloop {
namespace {

// Raises the limit, if the options allow it and a signal doorbell and a poller would lack a
// descriptor. The waker checks for itself: with a spare pair of sockets it needs none.
DescriptorLimit limit_for(const LoopOptions& options) {
  if (!options.raise_descriptor_limit) return DescriptorLimit::kKeep;
  require_free_descriptors(2, "creating a loop", DescriptorLimit::kRaise);
  return DescriptorLimit::kRaise;
}

// Ends a sleep, also when the poller throws.
struct WakeUp {
  Mailbox& mailbox;
  ~WakeUp() { mailbox.wake_up(); }
};

}  // namespace

LoopCore::LoopCore(const LoopOptions& options, std::string name, LoopAffinity::Owner owner,
                   ExceptionSink& sink)
    : affinity_(std::move(name), owner),
      sink_(sink),
      clock_(options.clock),
      turn_budget_(options.turn_budget),
      socket_budget_(std::max<std::size_t>(options.socket_budget, 1)),
      mailbox_(options.signal_slots),
      pending_limit_(options.max_pending),
      waker_(limit_for(options)),
      poller_(make_poller(options.poller)),
      high_water_(options.high_water_mark, options.on_high_water, options.max_pending),
      handler_reports_(options.stall_reports_per_minute),
      idle_spin_(options.idle_spin),
      stalls_(options.stall_reports_per_minute) {
  poller_->add(waker_.fd(), Events::kRead, kInternalToken);
  poller_->add(signal_doorbell_.fd(), Events::kRead, kInternalToken);
}

// ---- any thread ----

void LoopCore::request_stop() noexcept {
  if (mailbox_.request_stop() == PostResult::kMustWake) ring_for_signal();
}

bool LoopCore::raise(Slot& reserved) noexcept {
  const PostResult result = mailbox_.raise(reserved);
  if (result == PostResult::kMustWake) ring_for_signal();
  return result != PostResult::kRefused;
}

void LoopCore::ring_for_post() noexcept {
  waker_.wake();
  wakeups_sent_.add();
  mailbox_.woken();
}

void LoopCore::ring_for_signal() noexcept {
  signal_doorbell_.ring();
  wakeups_sent_.add();
  mailbox_.woken();
}

LoopStats LoopCore::stats() const noexcept {
  // In this order: a number read while the loop is open counts no post that close() takes.
  const std::uint64_t taken = mailbox_.taken();
  const bool closed = mailbox_.look().closed();
  const std::uint64_t pending = mailbox_.pending();
  return {.iterations = iterations_.get(),
          .callbacks_run = closed ? run_at_close_.get() : taken,
          .timers_fired = timers_fired_.get(),
          .handlers_dispatched = handlers_dispatched_.get(),
          .posts_refused = mailbox_.refused(),
          .signal_posts_accepted = mailbox_.signal_posts_accepted(),
          .signal_posts_refused = mailbox_.signal_posts_refused(),
          .callbacks_abandoned = callbacks_abandoned_.get(),
          .unseen_exceptions = unseen_exceptions_.get(),
          .exceptions_suppressed = exceptions_suppressed_.get(),
          .pending = pending,
          .most_pending = std::max(high_water_.most(), pending),
          .wakeups_sent = wakeups_sent_.get()};
}

// Tells the loop of a refused poster. It might never notice: it may have caught up before the next
// iteration begins.
void LoopCore::note_full() noexcept {
  if (!high_water_.minds_full() || was_full_.load()) return;
  if (mailbox_.call([this] { was_full_ = true; }) == PostResult::kMustWake) ring_for_signal();
}

bool LoopCore::call_when_below(RoomWaiters::Waiter waiter) {
  if (is_closed()) return false;  // also in a forked child, where the waiters' lock may be held
  RoomWaiters::List one;
  one.push_back(std::move(waiter));
  bool added = false;
  const PostResult result = mailbox_.call([&] { added = room_waiters_.add(one); });
  if (result == PostResult::kMustWake) ring_for_post();
  return added;
}

// ---- loop thread ----

void LoopCore::run(const bool& done) {
  turn_.end();  // a turn that an exception has cut short
  for (;;) {
    iterations_.add();
    const ControlWord::View look = mailbox_.look();
    const std::uint64_t pending = mailbox_.untaken(look);
    if (high_water_.reached_by(pending)) [[unlikely]] {
      tell_high_water(pending);
      if (mailbox_.poisoned()) return;  // on_high_water has forked: this is the child
    }
    run_callbacks(look, pending);
    if (!timers_.empty()) run_due_timers();
    if (look.concerns_loop() || mailbox_.stop_requested() || !room_waiters_.empty()) [[unlikely]] {
      if (!heeds(look)) return;
    }
    if (done || mailbox_.poisoned()) return;
    if (handlers_.size() == 0 && mailbox_.next_has_arrived()) continue;  // nothing to poll for
    poll_and_dispatch();
  }
}

// Handles flags and waiters after the timers. Returns false if the run ends here.
bool LoopCore::heeds(ControlWord::View look) {
  if (mailbox_.poisoned()) return false;  // in a child, where the waiters' lock may be held
  if (look.stop_requested() || mailbox_.stop_requested()) return false;
  if (look.called()) answer_call();
  if (!room_waiters_.empty()) call_waiters();
  return !mailbox_.stop_requested();
}

void LoopCore::answer_call() {
  mailbox_.clear_called();
  room_waiters_.collect();
  if (was_full_.load() && was_full_.exchange(false) && high_water_.reached_by_full()) {
    tell_high_water(pending_limit_.most());
  }
}

// Waiters without room are looked at again in the next iteration, which comes soon: posts are
// pending. Waiters left over when the turn's time is up have room, but perhaps nothing is pending:
// so the loop calls itself.
void LoopCore::call_waiters() {
  TurnClock turn;
  if (room_waiters_.size() > 1) turn.begin(now(), 0);
  room_waiters_.begin_pass();
  for (std::uint64_t calls = 1; !mailbox_.poisoned() && !mailbox_.stop_requested(); ++calls) {
    std::optional<RoomWaiters::Waiter> waiter =
        room_waiters_.take_next(mailbox_.untaken(mailbox_.look()));
    if (!waiter) return;
    const auto call = [&] { stalls_.watched(*waiter->type, [&] { waiter->callable(); }); };
    const auto report = [&] {
      sink_.on_user_exception(std::current_exception(), waiter->type, 0);
    };
    static_cast<void>(returned(call, report));
    if (turn.is_due() && turn.is_over(now(), calls, turn_budget_)) {
      static_cast<void>(mailbox_.call([] {}));
      return;
    }
  }
}

void LoopCore::tell_high_water(std::uint64_t pending) {
  const std::type_info& type = high_water_.type();
  const auto call = [&] { stalls_.watched(type, [&] { high_water_.tell(*this, pending); }); };
  const auto report = [&] { sink_.on_user_exception(std::current_exception(), &type, 0); };
  static_cast<void>(returned(call, report));
}

// Phase 1. Inlined into run(), because an iteration is little more than this.
[[gnu::always_inline]] inline void LoopCore::run_callbacks(ControlWord::View look,
                                                           std::uint64_t pending) {
  const std::uint64_t taken_before = mailbox_.taken();
  const bool is_timed = pending > 1;
  mailbox_.begin_batch(look);
  if (is_timed) turn_.begin(now(), taken_before);
  while (!returned([this] { run_batch(); }, [this] { report_callback(); })) {
    if (!is_turn_over()) continue;
    run_early_posts();
    break;
  }
  if (is_timed) turn_.end();
  const std::uint64_t batch = mailbox_.taken() - taken_before;
  if (batch != 0) straggler_looks_ = 0;
  if (pacer_.minds(batch) && !mailbox_.took_own_post()) pacer_.pause_after(batch);
}

void LoopCore::run_batch() {
  for (;;) {
    Slot* slot = mailbox_.take_next_in_lane();
    if (slot == nullptr) {
      running_ = nullptr;
      if (mailbox_.batch_is_over()) return;
      slot = mailbox_.take_elsewhere();
      if (slot == nullptr) return;
    }
    run_callback(*slot);
    if (is_turn_over()) [[unlikely]] return run_early_posts();
  }
}

// Notes that a callback has ended. Returns whether the turn's time is used up.
inline bool LoopCore::is_turn_over() {
  if (!turn_.is_due()) [[likely]] return false;
  running_ = nullptr;  // an exception of the clock is not the callable's
  return turn_.is_over(now(), mailbox_.taken(), turn_budget_);
}

inline void LoopCore::run_callback(Slot& slot) {
  running_ = &slot;
  if (stalls_.probe() == nullptr) [[likely]] {
    slot.run();
  } else {
    stalls_.watched(slot.type(), [&slot] { slot.run(); });
  }
}

// Runs the posts that signal handlers have made by now, ahead of the rest of a batch whose time is
// used up. They get a turn_budget of their own.
void LoopCore::run_early_posts() {
  running_ = nullptr;
  if (mailbox_.poisoned()) return;  // the last callable has forked: this is the child
  mailbox_.cut_batch();
  turn_.begin(now(), mailbox_.taken());
  const auto run_all = [this] {
    while (Slot* const slot = mailbox_.take_early()) {
      run_callback(*slot);
      if (is_turn_over()) return;
    }
    running_ = nullptr;
  };
  while (!returned(run_all, [this] { report_callback(); }) && !is_turn_over()) continue;
}

void LoopCore::report_callback() {
  // Not thrown by user code, as when the mailbox ran out of memory; or thrown by the sink earlier.
  if (running_ == nullptr || std::exchange(escapes_, false)) throw;
  sink_.on_user_exception(std::current_exception(), &std::exchange(running_, nullptr)->type(), 0);
}

std::exception_ptr LoopCore::report(std::exception_ptr error,
                                    const std::type_info& callable) noexcept {
  try {
    sink_.on_user_exception(std::move(error), &callable, 0);
    return nullptr;
  } catch (...) {
    return std::current_exception();
  }
}

// Phase 2.
void LoopCore::run_due_timers() {
  timers_.begin_due(now());
  const auto run_all = [this] {
    while (!mailbox_.poisoned() && run_next_timer()) timers_fired_.add();
  };
  const auto report = [this] {
    timers_fired_.add();
    sink_.on_user_exception(std::current_exception(), timers_.running_type(), 0);
  };
  while (!returned(run_all, report)) continue;
}

bool LoopCore::run_next_timer() {
  if (stalls_.probe() == nullptr) [[likely]]
    return timers_.run_next_due();
  const std::type_info* const type = timers_.next_due_type();
  if (type == nullptr) return false;
  return stalls_.watched(*type, [this] { return timers_.run_next_due(); });
}

// Phases 3 and 4. If there are handlers, a poll without waiting comes first: while they keep the
// loop busy, that is all an iteration costs.
void LoopCore::poll_and_dispatch() {
  if (!undispatched_.empty()) [[unlikely]]
    dispatch_ends();
  bool found_events = false;
  if (handlers_.size() != 0) {
    const std::span<const Ready> ready = poller_->wait_until(kAtOnce);
    found_events = !ready.empty();
    dispatch(ready);
  }
  if (mailbox_.next_has_arrived() || !mailbox_.all_taken()) return wait_for_straggler();
  if (found_events) return;
  const std::optional<Duration> timeout = time_to_next_timer();
  if (timeout && *timeout <= Duration::zero()) return;
  if (!find_work_spinning(timeout)) sleep(timeout);
}

// A poster that was preempted between its ticket and its slot keeps the loop from falling asleep
// [M3], but must not make it burn a core: after some looks in vain the loop waits, a millisecond at
// most.
void LoopCore::wait_for_straggler() {
  constexpr int kSpins = 64;
  constexpr int kYields = 16;
  constexpr Duration kDozeLimit = std::chrono::milliseconds(1);
  straggler_looks_ = std::min(straggler_looks_ + 1, kSpins + kYields);
  if (straggler_looks_ == 1) return;  // most often none: the next batch has it all
  if (straggler_looks_ < kSpins) {
    cpu_relax();
  } else if (straggler_looks_ < kSpins + kYields) {
    sched_yield();
  } else {
    doze(std::min(time_to_next_timer().value_or(kDozeLimit), kDozeLimit));
  }
}

// Keeps no other poster waiting: from now on, each rings.
void LoopCore::doze(Duration limit) {
  if (!mailbox_.try_doze()) return;
  std::span<const Ready> ready;
  {
    const WakeUp wake_up{mailbox_};
    ready = poller_->wait(limit);
  }
  dispatch(ready);
}

std::optional<Duration> LoopCore::time_to_next_timer() const {
  const std::optional<TimePoint> next = timers_.next_deadline();
  if (!next) return std::nullopt;
  return saturating_subtract(*next, now());
}

bool LoopCore::find_work_spinning(std::optional<Duration> timeout) {
  constexpr int kLooksPerRound = 8;
  constexpr unsigned kRoundsPerPoll = 4;
  const TimePoint start = Clock::now();
  const Duration budget = idle_spin_.budget(start);
  if (budget <= Duration::zero()) return false;
  const Duration limit = std::min(budget, timeout.value_or(budget));

  TimePoint last = start;
  for (unsigned round = 1; last - start < limit; ++round) {
    for (int i = 0; i < kLooksPerRound; ++i) {
      if (mailbox_.next_has_arrived()) {
        idle_spin_.found_work();
        return true;
      }
      cpu_relax();
    }
    const ControlWord::View look = mailbox_.look();
    if (look.concerns_loop() || !mailbox_.all_taken()) {
      idle_spin_.found_work();
      return true;
    }
    if (handlers_.size() != 0 && round % kRoundsPerPoll == 0) {
      const std::span<const Ready> ready = poller_->wait(Duration::zero());
      if (!ready.empty()) {
        idle_spin_.found_work();
        dispatch(ready);
        return true;
      }
    }
    const TimePoint now = Clock::now();
    if (now - last >= IdleSpin::kPreempted) {
      idle_spin_.was_preempted(now);
      return false;
    }
    last = now;
  }
  if (limit == budget) idle_spin_.found_nothing();
  return false;
}

void LoopCore::sleep(std::optional<Duration> timeout) {
  mailbox_.trim();
  timers_.trim();
  if (!mailbox_.try_fall_asleep()) return;
  const TimePoint start = Clock::now();
  std::span<const Ready> ready;
  {
    const WakeUp wake_up{mailbox_};
    ready = poller_->wait_until(end_of_sleep(timeout));
  }
  if (!ready.empty()) idle_spin_.slept(Clock::now() - start);
  dispatch(ready);
}

// Returns the next timer's own deadline if the loop and the poller's waits follow the same clock.
// It is the same from sleep to sleep, so that the poller need not set its timer again.
std::optional<TimePoint> LoopCore::end_of_sleep(std::optional<Duration> timeout) const {
  if (!timeout) return std::nullopt;
  return clock_ ? saturating_add(Clock::now(), *timeout) : timers_.next_deadline();
}

// ---- once the loop has ended ----

// Needs no memory. Between any two steps, destructors of callables may remove handlers and close
// sockets of their own.
CloseReport LoopCore::close(bool all_fds) {
  stalls_.disable();
  CloseReport report;
  run_at_close_.add(mailbox_.taken());
  report.callbacks_abandoned = room_waiters_.close() + mailbox_.close();
  callbacks_abandoned_.add(report.callbacks_abandoned);
  report.timers_abandoned = timers_.clear();
  handlers_.for_each([&](const HandlerTable::Entry& entry) {
    const Pollable pollable = entry.pollable;
    const bool close_it = all_fds && poller_->is_intact(pollable);
    poller_->remove(pollable);
    if (close_it) pollable.close();  // before its handler goes: that may own the socket
    if (handlers_.remove(pollable)) ++report.handlers_removed;
  });
  undispatched_ = {};
  poller_->close();
  waker_.close();
  return report;
}

void LoopCore::release_descriptors() noexcept {
  poller_->close();
  waker_.close();
}

}  // namespace zmqloop
