// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Replaces the clock of this program by one that stands still.
//
// The library rechecks some things after a time. With this clock it always decides the same. The
// few instructions that read this clock are counted as the library's own.
//
// Threads: one at a time moves the clock, while no other thread reads it.

#ifndef ZMQLOOP_TESTS_COST_CLOCK_H_
#define ZMQLOOP_TESTS_COST_CLOCK_H_

#include "zmqloop/threading/host/clock.h"

namespace zmqloop::cost {

// After this time a starting loop reads the number of cores again (idle_spin.cc). All moves of an
// operation together stay below it.
inline constexpr Duration kClockMayMove = std::chrono::seconds(1);

void move_clock(Duration by);

}  // namespace zmqloop::cost

#endif  // ZMQLOOP_TESTS_COST_CLOCK_H_
