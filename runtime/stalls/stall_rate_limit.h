// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Limits the reports of one loop, of stalls or of exceptions: at most so many in the minute that
// begins with the first.
//
// Threads: one at a time.
// Errors: none.
// Internal.

#ifndef ZMQLOOP_RUNTIME_STALLS_STALL_RATE_LIMIT_H_
#define ZMQLOOP_RUNTIME_STALLS_STALL_RATE_LIMIT_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "zmqloop/threading/host/clock.h"

namespace zmqloop {

class StallRateLimit {
 public:
  // Zero: no limit.
  explicit StallRateLimit(std::size_t per_minute) : per_minute_(per_minute) {}

  // Returns whether a stall may be reported now.
  bool has_room(TimePoint now) const noexcept {
    return per_minute_ == 0 || used_ < per_minute_ || is_over(now);
  }

  // Counts a stall that is not reported.
  void suppress() noexcept { ++suppressed_; }

  // Counts one that is reported; returns how many were not since the last report.
  std::uint64_t use(TimePoint now) noexcept {
    if (is_over(now)) {
      minute_began_ = now;
      used_ = 0;
    }
    ++used_;
    return std::exchange(suppressed_, 0);
  }

 private:
  bool is_over(TimePoint now) const noexcept {
    return !minute_began_ || now - *minute_began_ >= std::chrono::minutes(1);
  }

  const std::size_t per_minute_;
  std::optional<TimePoint> minute_began_;
  std::size_t used_ = 0;
  std::uint64_t suppressed_ = 0;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_STALLS_STALL_RATE_LIMIT_H_
