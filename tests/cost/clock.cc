// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/cost/clock.h"

#include <chrono>
#include <ctime>

namespace {

std::chrono::nanoseconds time_passed = std::chrono::hours(1);

}  // namespace

// Replaces the C library's function, also for shared libraries.
extern "C" int clock_gettime(clockid_t, timespec* result) noexcept {
  result->tv_sec = time_passed.count() / std::nano::den;
  result->tv_nsec = time_passed.count() % std::nano::den;
  return 0;
}

namespace zmqloop::cost {

void move_clock(Duration by) { time_passed += by; }

}  // namespace zmqloop::cost
