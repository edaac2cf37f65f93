// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Decides how long an idle loop spins, looking for posts, before it sleeps.
//
// Waking a sleeping thread costs tens of microseconds, finding a post while spinning a tenth of
// one. A spin pays if the next post comes soon. It wastes a core if no post comes, or if another
// thread needs the core. So we trust spinning for a while after it found work. We give it up after
// a few vain attempts, and try again, ever more rarely, if sleeps turn out short. A spin that
// notices it was preempted stops at once. No loop spins if more loops run than cores are usable.
//
// Threads: loop thread only; RunningLoop, made there, too, counts the loops of all threads.
// Internal.

#ifndef ZMQLOOP_RUNTIME_CORE_IDLE_SPIN_H_
#define ZMQLOOP_RUNTIME_CORE_IDLE_SPIN_H_

#include <cstdint>
#include <optional>

#include "zmqloop/threading/host/clock.h"

namespace zmqloop {

// Counts this loop as running while it exists.
class RunningLoop {
 public:
  RunningLoop();
  RunningLoop(const RunningLoop&) = delete;
  RunningLoop& operator=(const RunningLoop&) = delete;
  ~RunningLoop();

  // Whether each running loop can have a core of its own.
  static bool has_core_for_each();

 private:
  const std::uint32_t generation_;  // of the process in which it was counted
};

class IdleSpin {
 public:
  // Empty: adaptive. Otherwise always that long.
  explicit IdleSpin(std::optional<Duration> fixed) : fixed_(fixed) {}

  // Returns the longest time to spin now.
  Duration budget(TimePoint now);

  // Reports how a spin ended.
  void found_work() noexcept;
  void found_nothing() noexcept;
  void was_preempted(TimePoint now) noexcept;

  // Reports the length of a sleep that a post or an event ended.
  void slept(Duration length) noexcept;

  // A gap this long between two looks means that another thread had the core.
  static constexpr Duration kPreempted = std::chrono::microseconds(100);

 private:
  static constexpr Duration kBudget = std::chrono::microseconds(50);
  static constexpr Duration kShortSleep = std::chrono::microseconds(200);
  static constexpr Duration kPreemptedPause = std::chrono::milliseconds(10);
  static constexpr int kTrustAfterSuccess = 8;
  static constexpr int kLongestProbeInterval = 64;

  const std::optional<Duration> fixed_;
  int trust_ = kTrustAfterSuccess;  // vain spins left before giving up
  int probe_interval_ = 1;          // short sleeps between two attempts once given up
  int short_sleeps_ = 0;
  TimePoint not_before_ = TimePoint::min();
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_CORE_IDLE_SPIN_H_
