// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Shared by the operations: the callable they hand to the loop, and the options of their loops.
//
// Threads: values.

#ifndef ZMQLOOP_TESTS_COST_PAYLOAD_H_
#define ZMQLOOP_TESTS_COST_PAYLOAD_H_

#include <array>
#include <cstdint>

#include "zmqloop/runtime/core/loop_options.h"
#include "zmqloop/threading/host/clock.h"

namespace zmqloop::cost {

// The callable of posts and timers: a pointer and 24 bytes, as in the benchmarks.
struct Payload {
  std::uint64_t* sum;
  std::array<std::uint64_t, 3> content;
  void operator()() const { *sum += content[2]; }
};
static_assert(sizeof(Payload) == 32);

inline Payload payload(std::uint64_t& sum) { return {&sum, {0, 0, 1}}; }

// Options of a loop that never spins: the clock, which ends a spin, stands still here.
inline LoopOptions without_spinning() { return {.name = "cost", .idle_spin = Duration::zero()}; }

}  // namespace zmqloop::cost

#endif  // ZMQLOOP_TESTS_COST_PAYLOAD_H_
