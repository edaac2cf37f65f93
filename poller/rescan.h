// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// When a poller looks at what nobody has reported: a number closed behind its back, or a connection
// that nobody said to touch, shows in no report.
//
// A look at everything at once would hold up a loop with many registrations: 19,000 took 75 ms. So
// it is done in parts, each at most kBudget long and kPause after the one before. All that is
// registered when a sleep begins is looked at once in its course, from kPause after its beginning
// on; then the sleep goes on undisturbed, so an idle loop makes no periodic wake-ups. A loop whose
// sleeps are shorter looks at one part every kPause, as a sleep begins; one that never sleeps hears
// from its reports alone.
//
//   rescan.begin_sleep(now, table.places());
//   ... sleep until rescan.next(), at the latest ...
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
  // As many places are looked at between two looks at the clock, empty ones included.
  static constexpr std::size_t kStride = 16;

  // Takes note that a sleep begins, with so many places to be looked at in its course.
  void begin_sleep(TimePoint now, std::size_t places) noexcept {
    unseen_ = places;
    next_ = saturating_add(now, kPause);
  }
  // The same for a sleep in whose course nothing is looked at.
  void begin_undisturbed_sleep() noexcept { unseen_ = 0; }

  // Returns when to interrupt the sleep; empty: not at all.
  std::optional<TimePoint> next() const noexcept {
    return unseen_ == 0 ? std::nullopt : std::optional(next_);
  }
  bool is_due(TimePoint now) const noexcept { return unseen_ != 0 && now >= next_; }

  // Returns whether kPause has passed since the last part, of this sleep or an earlier one.
  bool is_overdue(TimePoint now) const noexcept { return now >= saturating_add(last_, kPause); }

  // Calls look(Registration&) for the next part of `table`. `look` may erase, not insert.
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
  std::size_t unseen_ = 0;  // places that the current sleep has still to look at
  TimePoint next_ = TimePoint::max();
  TimePoint last_ = TimePoint::min();
};

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_RESCAN_H_
