// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Runs a function on a stack of its own, and switches between such stacks.
//
// On x86-64 a switch saves the six registers that a call preserves, which takes a few nanoseconds.
// Elsewhere ucontext does it, with two system calls. We report each switch to AddressSanitizer.
// Each fiber has its own exceptions in flight.
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

  // Stands for the calling thread's own stack.
  Fiber();
  // Makes a stack of `bytes`; start() gives it a function to run.
  explicit Fiber(std::size_t bytes);
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  ~Fiber();

  // Makes the next switch to this fiber call `body`. `body` must not return: it ends by switching
  // away for the last time. Discards the previous contents of the stack.
  void start(Body body);

  // Continues `to`. `from` must be the running fiber; the call returns at the next switch to it.
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
  void* exceptions_[2] = {};  // the contents of __cxa_get_globals(), while another fiber runs
};

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_FIBER_H_
