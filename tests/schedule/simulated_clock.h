// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A clock that advances by a microsecond at each step of the scheduler, so that a seed repeats its
// times.

#ifndef ZMQLOOP_TESTS_SCHEDULE_SIMULATED_CLOCK_H_
#define ZMQLOOP_TESTS_SCHEDULE_SIMULATED_CLOCK_H_

#include <chrono>

#include "tests/schedule/thread.h"

namespace zmqloop::schedule {

// Uses the time points of std::chrono::steady_clock, which it replaces.
struct SimulatedClock : std::chrono::steady_clock {
  static time_point now() noexcept { return time_point(std::chrono::microseconds(steps())); }
};

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_SIMULATED_CLOCK_H_
