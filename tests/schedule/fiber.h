// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A stack of its own to run a function on, and the switch between two of them.
//
// On x86-64 the switch saves the six registers that a call preserves, some nanoseconds; elsewhere
// ucontext does it, with two system calls. AddressSanitizer is told of each switch. Exceptions in
// flight belong to the fiber that handles them.
//
// Threads: all fibers live on the one thread that made them.
// Owns: its stack, with an unmapped page below it.
// Errors: std::bad_alloc if the stack cannot be mapped.

#ifndef ZMQLOOP_TESTS_SCHEDULE_FIBER_H_
#define ZMQLOOP_TESTS_SCHEDULE_FIBER_H_

#include <cstddef>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace zmqloop::schedule {

class Fiber {
 public:
  using Body = void (*)();

  // The calling thread's own stack.
  Fiber();
  // A stack of `bytes`; start() gives it something to run.
  explicit Fiber(std::size_t bytes);
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  ~Fiber();

  // Has the next switch to this fiber call `body`, which must not return but switch away for the
  // last time. What ran on the stack before is forgotten.
  void start(Body body);

  // Runs `to` on; returns when something switches to `from`, which must be the fiber that runs.
  static void switch_between(Fiber& from, Fiber& to);

 private:
  static void entry();

  void* memory_ = nullptr;  // the stack and the page below it; null: the thread's own
  std::size_t bytes_ = 0;
  Body body_ = nullptr;
#if defined(__x86_64__)
  void* stack_pointer_ = nullptr;
#else
  ucontext_t context_ = {};
#endif
  void* exceptions_[2] = {};  // what __cxa_get_globals() refers to, while another fiber runs
};

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_FIBER_H_
