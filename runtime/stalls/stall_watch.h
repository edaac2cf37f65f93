// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// One loop as the watchdog sees it: when to look at it next, and what to report.
//
// A loop is looked at once per threshold while it works, at the moment its callable would have
// blocked for that long, and not at all while it does nothing.
//
// Threads: probe() as in stall_probe.h. Everything else is guarded by the watchdog's mutex, except
// while the watchdog's thread delivers a report of this loop: then that thread owns it.
// Owns: probe, settings, the report of a stall that has not ended.
// Errors: none.
// Internal.

#ifndef ZMQLOOP_RUNTIME_STALLS_STALL_WATCH_H_
#define ZMQLOOP_RUNTIME_STALLS_STALL_WATCH_H_

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <string>
#include <typeinfo>
#include <utility>

#include "zmqloop/runtime/stalls/stall_probe.h"
#include "zmqloop/runtime/stalls/stall_rate_limit.h"
#include "zmqloop/runtime/stalls/stall_report.h"
#include "zmqloop/threading/host/clock.h"
#include "zmqloop/threading/host/semaphore.h"

namespace zmqloop {

class StallWatch {
 public:
  struct Settings {
    Duration threshold;
    StallListener action;
  };

  // No loop is looked at more often, however small its threshold.
  static constexpr Duration kShortestInterval = std::chrono::milliseconds(1);

  StallWatch(std::string loop_name, std::size_t reports_per_minute, Semaphore& watchdog)
      : loop_name_(std::move(loop_name)), probe_(watchdog), limit_(reports_per_minute) {}

  StallProbe& probe() noexcept { return probe_; }

  // Exchanges the settings; null: watches for nothing.
  void swap(std::shared_ptr<const Settings>& settings) noexcept { settings_.swap(settings); }
  // Forgets a stall that has not ended: no report of it will come.
  void forget() noexcept;

  // The result of a look.
  struct Look {
    enum class Found { kNothing, kBegun, kEnded };
    Found found;
    TimePoint next;  // for kNothing: when to look again
  };
  Look look(TimePoint now) noexcept;
  // Returns whether a stall that was reported has ended, and look() has not found that yet.
  bool has_end_to_report() const noexcept { return stall_.is_open && probe_.has_end(); }

  // Reports the find of a look: has the blocked thread write its stack down if the stall has begun,
  // and calls the action. Writes exceptions of the action to standard error.
  void deliver(Look::Found found);

 private:
  // The stall that was claimed last.
  struct Stall {
    bool is_open = false;  // no look has found its end yet
    TimePoint start;
    const std::type_info* callable = nullptr;
  };

  Look look_at_running(StallProbe::View view, TimePoint now) noexcept;
  void report_begin();
  void call_action();
  void say_why_not_delivered(std::exception_ptr error) const noexcept;

  // Constant after construction.
  const std::string loop_name_;

  // Shared with the loop.
  StallProbe probe_;

  // Guarded as said in "Threads".
  std::shared_ptr<const Settings> settings_;
  StallRateLimit limit_;
  TimePoint last_start_;   // seen at the last look that found no callable running
  TimePoint passed_over_;  // the start of the callable last found stalled but not reported
  Stall stall_;
  StallReport report_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_STALLS_STALL_WATCH_H_
