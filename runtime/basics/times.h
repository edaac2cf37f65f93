// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Parameter types for times: any std::chrono duration or steady time point, and nothing else.
//
//   loop.call_later(5ms, f);
//   loop.call_later(std::chrono::duration<double>(0.5), f);
//
// The compiler refuses bare numbers. NaN, infinities, overflow and max() mean "never", zero and
// negative values "as soon as possible"; see to_duration() in zmqloop/threading/host/clock.h.
//
// Threads: values.
// Public.

#ifndef ZMQLOOP_RUNTIME_BASICS_TIMES_H_
#define ZMQLOOP_RUNTIME_BASICS_TIMES_H_

#include <chrono>
#include <cmath>
#include <optional>

#include "zmqloop/threading/host/clock.h"

namespace zmqloop {

class AnyDuration {
 public:
  template <class Rep, class Period>
  AnyDuration(std::chrono::duration<Rep, Period> value) : value_(to_duration(value)) {}
  Duration value() const { return value_; }

 private:
  Duration value_;
};

class AnyTimePoint {
 public:
  template <class D>
  AnyTimePoint(std::chrono::time_point<Clock, D> value) : value_(to_time_point(value)) {}
  TimePoint value() const { return value_; }

 private:
  TimePoint value_;
};

// A time point, or a delay from the moment of the call.
class Deadline {
 public:
  template <class Rep, class Period>
  Deadline(std::chrono::duration<Rep, Period> delay) : delay_(to_duration(delay)) {}
  template <class D>
  Deadline(std::chrono::time_point<Clock, D> when) : when_(to_time_point(when)) {}

  // Returns whether from() needs to know the time.
  bool is_delay() const { return !when_; }
  // A delay of Duration::max() is "never" at any time of the clock.
  TimePoint from(TimePoint now) const {
    if (when_) return *when_;
    return delay_ == Duration::max() ? TimePoint::max() : saturating_add(now, delay_);
  }

 private:
  std::optional<TimePoint> when_;
  Duration delay_ = Duration::zero();
};

// A duration, or none: no limit.
class TimeLimit {
 public:
  TimeLimit() = default;
  TimeLimit(std::nullopt_t) {}
  template <class Rep, class Period>
  TimeLimit(std::chrono::duration<Rep, Period> value)
      : value_(to_duration(value)), is_nan_(std::isnan(static_cast<long double>(value.count()))) {}
  template <class Rep, class Period>
  TimeLimit(std::optional<std::chrono::duration<Rep, Period>> value) {
    if (value) *this = TimeLimit(*value);
  }
  const std::optional<Duration>& value() const { return value_; }
  // Returns whether it was made of NaN, which value() takes for "never".
  bool is_nan() const { return is_nan_; }

 private:
  std::optional<Duration> value_;
  bool is_nan_ = false;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_BASICS_TIMES_H_
