// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Describes a hot operation of the library by a function that repeats it in measured()
// (measured.h).
//
// run(size) repeats it size * times_per_unit times. So counts at two sizes give the cost of one
// operation: (count(large) - count(small)) / ((large - small) * times_per_unit). Costs per run, or
// per batch of `size`, cancel out.
//
// An operation takes the same steps in each run: threads take turns, no loop spins or sleeps, and
// the clock stands still (clock.h). It also runs without valgrind, and throws if it did not do all
// its work.
//
// Threads: one at a time.

#ifndef ZMQLOOP_TESTS_COST_OPERATION_H_
#define ZMQLOOP_TESTS_COST_OPERATION_H_

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>

namespace zmqloop::cost {

struct Operation {
  const char* name;
  int small;
  int large;
  int times_per_unit;
  void (*run)(int size);
};

std::span<const Operation> post_operations();
std::span<const Operation> timer_operations();
std::span<const Operation> handler_operations();
std::span<const Operation> future_operations();

inline void require(std::uint64_t done, std::uint64_t expected) {
  if (done == expected) return;
  throw std::logic_error("did " + std::to_string(done) + " of " + std::to_string(expected));
}

}  // namespace zmqloop::cost

#endif  // ZMQLOOP_TESTS_COST_OPERATION_H_
