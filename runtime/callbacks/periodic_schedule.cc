// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/callbacks/periodic_schedule.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>

#include "absl/strings/str_cat.h"

namespace zmqloop {
namespace {

// Returns the time from `start` to `end`, which must not be before `start`. Unlike a Duration, the
// result can hold the distance of any two time points.
std::uint64_t distance(TimePoint start, TimePoint end) {
  return static_cast<std::uint64_t>(end.time_since_epoch().count()) -
         static_cast<std::uint64_t>(start.time_since_epoch().count());
}

}  // namespace

void AnyPeriod::refuse(double seconds) {
  throw std::invalid_argument(
      absl::StrCat("PeriodicCallback: the period is ", seconds, " s; it must be above zero"));
}

PeriodicSchedule::PeriodicSchedule(AnyPeriod period, double jitter, MissedTicks missed)
    : period_(period.value()), jitter_(jitter), missed_(missed) {
  if (!(jitter >= 0 && jitter <= 1)) {
    throw std::invalid_argument(
        absl::StrCat("PeriodicCallback: the jitter is ", jitter, "; it must be from 0 to 1"));
  }
}

TimePoint PeriodicSchedule::next(TimePoint last, TimePoint now, double draw) const {
  const Duration period = drawn_period(draw);
  if (period == Duration::max()) return TimePoint::max();
  const TimePoint slot = saturating_add(last, period);
  if (slot > now || missed_ == MissedTicks::kBurst) return slot;
  if (missed_ == MissedTicks::kDelay) return saturating_add(now, period);
  const auto of_this_slot =
      static_cast<Duration::rep>(distance(last, now) % static_cast<std::uint64_t>(period.count()));
  return saturating_add(now, period - Duration(of_this_slot));
}

// Never zero, or a slot would be used twice. A period of "never" stays "never".
Duration PeriodicSchedule::drawn_period(double draw) const {
  if (!is_random() || period_ == Duration::max()) return period_;
  // At most half of the period, so it fits. long double, because double would round periods above
  // 104 days.
  const long double deviation =
      static_cast<long double>(period_.count()) * jitter_ * (static_cast<long double>(draw) - 0.5L);
  const Duration rounded(std::llround(deviation));
  if (rounded > Duration::max() - period_) return Duration::max();
  return std::max(period_ + rounded, Duration(1));
}

}  // namespace zmqloop
