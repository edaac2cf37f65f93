// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The options of a loop, its counters and the report of its close().
//
// Threads: values.
// Public.

#ifndef ZMQLOOP_RUNTIME_CORE_LOOP_OPTIONS_H_
#define ZMQLOOP_RUNTIME_CORE_LOOP_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "zmqloop/poller/poller.h"
#include "zmqloop/runtime/basics/option_functions.h"
#include "zmqloop/runtime/stalls/stall_report.h"
#include "zmqloop/threading/host/clock.h"
#include "zmqloop/threading/host/export.h"

namespace zmqloop {

// Returns the default poller of new loops; IOLoop::configure() sets it.
ZMQLOOP_EXPORT PollerKind configured_poller() noexcept;

// Called with each report of a stall. Its exceptions are written to standard error.
using StallAction = ThreadHook<const StallReport&>;

struct LoopOptions {
  // The mechanism that waits for descriptors and sockets.
  PollerKind poller = configured_poller();

  // Shown in messages and reports; "loop-N" if empty.
  std::string name = {};

  // How long an idle loop spins, looking for posts, before it sleeps. Empty: adapts to the traffic,
  // and never spins with a single usable core or with more running loops than usable cores. Zero:
  // never spins. Any other value: always that long.
  std::optional<Duration> idle_spin = {};

  // Maximum number of posts from signal handlers that wait at one time. A slot costs 64 bytes once
  // it is used. A callback or task that waited for a future takes a slot, too, if there is no
  // memory for its post.
  std::size_t signal_slots = 1024;

  // How long the loop may run callbacks, on its own clock, before timers, a poll and handlers get
  // their turn. The rest of the batch follows in later turns, in order. Zero: one callback a turn.
  // Duration::max(): the whole batch.
  Duration turn_budget = std::chrono::microseconds(200);

  // Maximum number of waiting posts: with so many, try_add_callback() refuses the next. Zero, or
  // the largest number: no limit.
  std::size_t max_pending = 0;

  // The loop calls on_high_water on its thread, like a callback, when an iteration begins with at
  // least high_water_mark waiting posts, or after try_add_callback() has returned kFull. It calls
  // again only after an iteration has begun with at most half the mark; that itself calls nothing.
  // The argument is the number of waiting posts; after a kFull, it is max_pending. If the mark is
  // above max_pending, a kFull does not count: only add_callback() can reach it. Set both or
  // neither.
  std::size_t high_water_mark = 0;
  LoopFunction<std::uint64_t> on_high_water = {};

  // Maximum calls per turn to the handler of a ZeroMQ socket that stays ready. They also end when
  // the socket has used up its share of a turn_budget, which all that is ready shares equally. 1 is
  // the fairest. More saves polls if handlers receive one message a call.
  std::size_t socket_budget = 1;

  // Maximum reports of stalls per minute, once a threshold is set
  // (IOLoop::set_blocking_signal_threshold). The same limit holds, counted separately, for the
  // exceptions of handlers that throw each time they are called. The next report says how many were
  // left out. Zero: no limit.
  std::size_t stall_reports_per_minute = 10;

  // The loop begins with IOLoop::set_blocking_signal_threshold(): callbacks, timers and handlers
  // that block it for this long are reported to `on_stall`, or to IOLoop::log_stack if that is
  // empty. No threshold: no reports.
  std::optional<Duration> blocking_threshold = {};
  StallAction on_stall = {};

  // Whether the threads of a LoopThread or LoopPool block all signals but those of faults. By
  // default they inherit the mask of the thread that makes them, as any thread does. Programs and
  // threads that callbacks start inherit the mask in turn: with this option, such programs ignore
  // SIGTERM. No effect on other loops.
  bool block_signals = false;

  // Whether to raise the soft limit of descriptors (RLIMIT_NOFILE) to the hard one if making a loop
  // would fail with EMFILE. That affects the whole process and the programs it starts.
  bool raise_descriptor_limit = false;

  // The loop's clock; empty: Clock::now. For tests: timers follow it, the poller's waits do not.
  std::function<TimePoint()> clock = {};
};

// The unfinished work that IOLoop::close() found.
struct CloseReport {
  // Posts, and callables of call_when_below(), that were accepted, never run, destroyed by close().
  std::uint64_t callbacks_abandoned = 0;
  std::uint64_t timers_abandoned = 0;     // armed, destroyed by close()
  std::uint64_t handlers_removed = 0;

  CloseReport& operator+=(const CloseReport& other) {
    callbacks_abandoned += other.callbacks_abandoned;
    timers_abandoned += other.timers_abandoned;
    handlers_removed += other.handlers_removed;
    return *this;
  }
  friend bool operator==(const CloseReport&, const CloseReport&) = default;
};

// The outcome of IOLoop::try_add_callback(), which refuses a post if too many wait.
enum class PostOutcome : unsigned char {
  kAccepted,
  kFull,    // LoopOptions::max_pending posts wait; the callable is untouched
  kClosed,  // the loop is closed; the callable was destroyed unrun
};

// Counters of a loop since it was made. They only grow, except pending and most_pending.
struct LoopStats {
  std::uint64_t iterations = 0;
  std::uint64_t callbacks_run = 0;  // posts run, including those of signal handlers
  std::uint64_t timers_fired = 0;
  std::uint64_t handlers_dispatched = 0;
  std::uint64_t posts_refused = 0;  // by the closed loop; kFull is counted nowhere
  std::uint64_t signal_posts_accepted = 0;
  std::uint64_t signal_posts_refused = 0;
  std::uint64_t callbacks_abandoned = 0;  // as in CloseReport
  std::uint64_t callback_exceptions = 0;
  std::uint64_t unseen_exceptions = 0;  // in futures of its callables, never looked at
  std::uint64_t exceptions_suppressed = 0;  // of handlers that throw each time; counted above, too
  std::uint64_t pending = 0;  // posts accepted, not yet begun; including those of signal handlers
  std::uint64_t most_pending = 0;  // maximum at the start of an iteration, or `pending` if more
  std::uint64_t wakeups_sent = 0;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_CORE_LOOP_OPTIONS_H_
