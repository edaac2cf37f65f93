// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Decides when a poller looks at registrations without a report: no report shows a number closed
// behind its back, or a connection without a touch().
//
// Looking at everything at once would hold up a loop with many registrations: 19,000 took 75 ms. So
// we look in parts, each at most kBudget long and kPause after the previous one. During a sleep,
// from kPause after its beginning, each registration present at the beginning is looked at once.
// Then the sleep goes on undisturbed, so an idle loop makes no periodic wake-ups. A loop with
// shorter sleeps looks at one part every kPause, as a sleep begins. A loop that never sleeps relies
// on reports alone.
//
//   rescan.begin_sleep(now, table.places());
//   set.wait(reports, rescan.next());  // sleeps until then at the latest
//   now = Clock::now();
//   if (rescan.is_due(now)) rescan.run(table, now, look);
//
// Threads: one at a time.
// Errors: none.
// Internal.

#ifndef ZMQLOOP_POLLER_RESCAN_H_
#define ZMQLOOP_POLLER_RESCAN_H_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>

#include "zmqloop/poller/registration_table.h"
#include "zmqloop/threading/host/clock.h"

namespace zmqloop {

class Rescan {
 public:
  static constexpr Duration kPause = std::chrono::milliseconds(100);
  static constexpr Duration kBudget = std::chrono::microseconds(100);
  // Places to look at between two readings of the clock, empty ones included.
  static constexpr std::size_t kStride = 16;

  // Notes that a sleep begins, during which `places` places must be looked at.
  void begin_sleep(TimePoint now, std::size_t places) noexcept {
    unseen_ = places;
    next_ = saturating_add(now, kPause);
  }
  // The same for a sleep during which nothing is looked at.
  void begin_undisturbed_sleep() noexcept { unseen_ = 0; }

  // Returns when to interrupt the sleep; empty: not at all.
  std::optional<TimePoint> next() const noexcept {
    return unseen_ == 0 ? std::nullopt : std::optional(next_);
  }
  bool is_due(TimePoint now) const noexcept { return unseen_ != 0 && now >= next_; }

  // Returns whether kPause has passed since the last part, of this sleep or an earlier one.
  bool is_overdue(TimePoint now) const noexcept { return now >= saturating_add(last_, kPause); }

  // Calls look(Registration&) for the next part of `table`. `look` may erase but not insert.
  template <class F>
  void run(RegistrationTable& table, TimePoint now, F&& look) {
    const TimePoint end = saturating_add(now, kBudget);
    std::size_t seen = 0;
    do {
      table.for_some(kStride, look);
      seen += kStride;
    } while (seen < table.places() && Clock::now() < end);
    unseen_ -= std::min(seen, unseen_);
    last_ = now;
    next_ = saturating_add(now, kPause);
  }

 private:
  std::size_t unseen_ = 0;  // places that the current sleep still has to look at
  TimePoint next_ = TimePoint::max();
  TimePoint last_ = TimePoint::min();
};

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_RESCAN_H_
