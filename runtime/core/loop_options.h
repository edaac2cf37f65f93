// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// How a loop is made, what it counts and what it reports when it closes.
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

// Returns the poller that loops are made with when their options name none; IOLoop::configure().
ZMQLOOP_EXPORT PollerKind configured_poller() noexcept;

// Called with each report of a stall. Exceptions it throws are written to standard error.
using StallAction = ThreadHook<const StallReport&>;

struct LoopOptions {
  // What waits for descriptors and sockets.
  PollerKind poller = configured_poller();

  // Shown in messages and reports; "loop-N" when empty.
  std::string name = {};

  // How long the loop looks for posts before it sleeps. Empty: adapts to what comes, and never
  // spins with more running loops than usable cores. Zero: never. A value: always that long.
  std::optional<Duration> idle_spin = {};

  // Posts from signal handlers that may wait at one time; each costs 64 bytes once it is used. They
  // are also where what waits for a future goes if there is no memory for its post.
  std::size_t signal_slots = 1024;

  // How long a turn of the loop may take for callbacks, on the loop's clock, before timers, a poll and
  // handlers get their turn; what is left of the batch follows, in order. Zero: one callback a turn;
  // Duration::max(): the whole batch.
  Duration turn_budget = std::chrono::microseconds(200);

  // How many posts may wait before try_add_callback() refuses one more. Zero, or the largest number:
  // any number.
  std::size_t max_pending = 0;

  // Called on the loop thread, as a callback is, when an iteration begins with at least so many posts
  // waiting, or after try_add_callback() has returned kFull; then not again until an iteration has
  // begun with at most half as many. Nothing is called at that moment. Its argument is the number of
  // posts that wait, after a kFull max_pending. A mark above max_pending is reached by add_callback()
  // alone. Both, or neither.
  std::size_t high_water_mark = 0;
  LoopFunction<std::uint64_t> on_high_water = {};

  // How often the handler of a ZeroMQ socket that stays ready is called in one turn, at most, and
  // only while its share of a turn_budget lasts, which those that are ready have in common. 1 is the
  // fairest; more saves polls where handlers receive one message a call.
  std::size_t socket_budget = 1;

  // How many stalls are reported in a minute, at most, once a threshold is set
  // (IOLoop::set_blocking_signal_threshold); and how many exceptions of a handler that throws each
  // time it is called. The next report says how many were not. Zero: no limit.
  std::size_t stall_reports_per_minute = 10;

  // Callbacks, timers and handlers that block the loop for so long are reported, to `on_stall`, or
  // else to IOLoop::log_stack: IOLoop::set_blocking_signal_threshold() from the beginning. Empty:
  // none.
  std::optional<Duration> blocking_threshold = {};
  StallAction on_stall = {};

  // Whether a LoopThread's or LoopPool's threads block all signals but those of faults. By default
  // they have the mask of the thread that makes them, as any thread; and so have the programs and
  // threads that callbacks start: with this, such programs ignore SIGTERM. Other loops: no effect.
  bool block_signals = false;

  // Whether the soft limit of descriptors (RLIMIT_NOFILE) may be raised to the hard one, for the
  // whole process and the programs it starts, where making a loop would fail with EMFILE.
  bool raise_descriptor_limit = false;

  // The loop's clock; empty: Clock::now. For tests: timers follow it, waiting does not.
  std::function<TimePoint()> clock = {};
};

// What IOLoop::close() found undone.
struct CloseReport {
  // Accepted, never run, destroyed by close(): posts, and those who waited for room.
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

// What became of a post that may be refused for want of room.
enum class PostOutcome : unsigned char {
  kAccepted,
  kFull,    // LoopOptions::max_pending posts wait; the callable was left as it was
  kClosed,  // the loop is closed; the callable was destroyed unrun
};

// What a loop has done since it was made: monotone counters, but for what is pending.
struct LoopStats {
  std::uint64_t iterations = 0;
  std::uint64_t callbacks_run = 0;  // posts run, those of signal handlers included
  std::uint64_t timers_fired = 0;
  std::uint64_t handlers_dispatched = 0;
  std::uint64_t posts_refused = 0;  // to the closed loop; kFull is counted nowhere
  std::uint64_t signal_posts_accepted = 0;
  std::uint64_t signal_posts_refused = 0;
  std::uint64_t callbacks_abandoned = 0;  // as in CloseReport
  std::uint64_t callback_exceptions = 0;
  std::uint64_t unseen_exceptions = 0;  // in futures of what it ran that nobody has looked at
  std::uint64_t exceptions_suppressed = 0;  // of handlers that throw each time; counted above, too
  std::uint64_t pending = 0;  // posts accepted and not yet begun, those of signal handlers included
  std::uint64_t most_pending = 0;  // the most that an iteration began with, or stats() found
  std::uint64_t wakeups_sent = 0;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_CORE_LOOP_OPTIONS_H_
