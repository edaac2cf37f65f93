// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The library's clock types, and conversions to them that saturate instead of overflowing.
//
//   Duration d = to_duration(std::chrono::duration<double>(1e300));  // Duration::max(): "never"
//
// Threads: values and pure functions; any thread.
// Errors: none. NaN, infinities, overflow and max() become Duration::max() or TimePoint::max(),
// which every user of these types reads as "never"; negative overflow becomes min(): "at once".
// Public.

#ifndef ZMQLOOP_THREADING_HOST_CLOCK_H_
#define ZMQLOOP_THREADING_HOST_CLOCK_H_

#include <chrono>
#include <cmath>
#include <concepts>
#include <limits>
#include <type_traits>

namespace zmqloop {

using Clock = std::chrono::steady_clock;
using Duration = Clock::duration;
using TimePoint = Clock::time_point;

// A deadline that has passed at any reading of the clock: a wait until then returns at once.
inline constexpr TimePoint kAtOnce = TimePoint::min();

// Converts any std::chrono duration to Duration, rounding up, so that a timer never fires early.
// NaN, +infinity and positive overflow become Duration::max(); -infinity and negative overflow
// become Duration::min().
template <class Rep, class Period>
constexpr Duration to_duration(std::chrono::duration<Rep, Period> value) {
  using Value = std::chrono::duration<Rep, Period>;
  if constexpr (std::is_same_v<Value, Duration>) {
    return value;
  } else {
    using Wide = std::chrono::duration<long double, Duration::period>;
    const long double ticks = std::chrono::duration_cast<Wide>(value).count();
    if (!(ticks < static_cast<long double>(Duration::max().count()))) return Duration::max();
    if (ticks <= static_cast<long double>(Duration::min().count())) return Duration::min();
    const auto whole = static_cast<Duration::rep>(ticks);
    return Duration(static_cast<long double>(whole) < ticks ? whole + 1 : whole);
  }
}

// Converts a time point of the steady clock in any resolution; saturates as to_duration() does.
template <class D>
constexpr TimePoint to_time_point(std::chrono::time_point<Clock, D> value) {
  return TimePoint(to_duration(value.time_since_epoch()));
}

// Returns `start + delay`, saturating at TimePoint::max() and TimePoint::min().
constexpr TimePoint saturating_add(TimePoint start, Duration delay) {
  if (delay > Duration::zero() && start > TimePoint::max() - delay) return TimePoint::max();
  if (delay < Duration::zero() && start < TimePoint::min() - delay) return TimePoint::min();
  return start + delay;
}

// Returns `end - start`, saturating at Duration::max() and Duration::min().
constexpr Duration saturating_subtract(TimePoint end, TimePoint start) {
  const Duration a = end.time_since_epoch();
  const Duration b = start.time_since_epoch();
  if (b < Duration::zero() && a > Duration::max() + b) return Duration::max();
  if (b > Duration::zero() && a < Duration::min() + b) return Duration::min();
  return a - b;
}

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_CLOCK_H_
