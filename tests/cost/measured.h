// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Marks the part of a program that callgrind counts.
//
//   measured([&] { loop.start(); });   // valgrind --toggle-collect=zmqloop_cost_measured
//
// Threads: any, one at a time.

#ifndef ZMQLOOP_TESTS_COST_MEASURED_H_
#define ZMQLOOP_TESTS_COST_MEASURED_H_

#include <type_traits>

// Calls `function(argument)`. Callgrind finds it by this name, so no valgrind header is needed. It
// is defined in a file of its own, so that no compiler inlines it.
extern "C" void zmqloop_cost_measured(void (*function)(void*), void* argument);

namespace zmqloop::cost {

template <class F>
void measured(F&& f) {
  using Function = std::remove_reference_t<F>;
  zmqloop_cost_measured([](void* function) { (*static_cast<Function*>(function))(); }, &f);
}

}  // namespace zmqloop::cost

#endif  // ZMQLOOP_TESTS_COST_MEASURED_H_
