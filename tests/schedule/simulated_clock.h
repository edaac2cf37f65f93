// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A clock that the scheduler's steps move, a microsecond each, so that time repeats with the seed.

#ifndef ZMQLOOP_TESTS_SCHEDULE_SIMULATED_CLOCK_H_
#define ZMQLOOP_TESTS_SCHEDULE_SIMULATED_CLOCK_H_

#include <chrono>

#include "tests/schedule/thread.h"

namespace zmqloop::schedule {

// Its time points are those of the clock it stands for.
struct SimulatedClock : std::chrono::steady_clock {
  static time_point now() noexcept { return time_point(std::chrono::microseconds(steps())); }
};

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_SIMULATED_CLOCK_H_
