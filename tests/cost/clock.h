// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The clock of this program, which stands still.
//
// The library decides by the time whether to look at some things again. Here it always decides the
// same. The few instructions of reading this clock are counted as the library's own.
//
// Threads: one at a time moves it, while no other reads it.

#ifndef ZMQLOOP_TESTS_COST_CLOCK_H_
#define ZMQLOOP_TESTS_COST_CLOCK_H_

#include "zmqloop/threading/host/clock.h"

namespace zmqloop::cost {

// The time after which a loop that starts reads anew how many cores there are (idle_spin.cc). All
// moves of an operation together stay below it.
inline constexpr Duration kClockMayMove = std::chrono::seconds(1);

void move_clock(Duration by);

}  // namespace zmqloop::cost

#endif  // ZMQLOOP_TESTS_COST_CLOCK_H_
