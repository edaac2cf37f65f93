// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Interrupts a function after each of its instructions, to test signals that come at any moment.
//
//   EveryInstruction interrupted([&](const EveryInstruction::Point&) { ++n; });  // signal handler
//   const std::uint64_t points = interrupted.run([&] { loop.add_callback(f); });
//
// The processor's trap flag ends every instruction with a SIGTRAP to the thread that runs it, also
// in the C library, libzmq and the dynamic linker. The kernel clears the flag while a signal
// handler runs and sets it again when the handler returns, so that no handler is stepped through.
// Two limits: a system call and the instruction after it end together (the kernel does not check
// the flag on the way out), and code that blocks SIGTRAP must not be stepped through: the kernel
// ends the process.
//
// Threads: one object at a time; run() and run_to() on any thread, one at a time.
// Owns: the process's action for SIGTRAP while it exists.
// Errors: if kWhyNot is not null, functions run uninterrupted: skip the test with that message.

#ifndef ZMQLOOP_TESTS_SUPPORT_EVERY_INSTRUCTION_H_
#define ZMQLOOP_TESTS_SUPPORT_EVERY_INSTRUCTION_H_

#include <cstdint>
#include <functional>
#include <signal.h>
#include <ucontext.h>
#include <utility>

// g++ has the macros, clang the features; other headers may give g++ a __has_feature that is 0.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define ZMQLOOP_STEPS_THROUGH_A_SANITIZER
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define ZMQLOOP_STEPS_THROUGH_A_SANITIZER
#endif
#endif

namespace zmqloop::testing {

class EveryInstruction {
 public:
#if !defined(__x86_64__)
  static constexpr const char* kWhyNot = "stepping needs the trap flag of x86-64";
#elif defined(ZMQLOOP_STEPS_THROUGH_A_SANITIZER)
  static constexpr const char* kWhyNot =
      "the sanitizers' runtimes put signal handlers off, and do not survive being stepped through; "
      "tests/stress/signal_storm_stress_test.cc interrupts the same calls";
#else
  static constexpr const char* kWhyNot = nullptr;
#endif

  struct Point {
    std::uint64_t number;  // of the instruction that has just ended, from 1
    std::uintptr_t next;   // address of the one to come
  };
  using Handler = std::function<void(const Point&)>;

  explicit EveryInstruction(Handler handler) : handler_(std::move(handler)) {
    struct sigaction action = {};
    action.sa_sigaction = &EveryInstruction::on_trap;
    action.sa_flags = SA_SIGINFO;
    ::sigfillset(&action.sa_mask);
    ::sigaction(SIGTRAP, &action, &before_);
  }
  EveryInstruction(const EveryInstruction&) = delete;
  EveryInstruction& operator=(const EveryInstruction&) = delete;
  ~EveryInstruction() { ::sigaction(SIGTRAP, &before_, nullptr); }

  // Runs `f`, and the handler after each of its instructions. Returns the number of instructions; a
  // handful of them, always the same, are our own.
  template <class F>
  std::uint64_t run(F&& f) {
    only_ = 0;
    step_through(f);
    return points_;
  }

  // Runs `f`, and the handler once: after its k-th instruction. Returns whether there was one.
  template <class F>
  bool run_to(std::uint64_t k, F&& f) {
    only_ = k;
    step_through(f);
    return points_ >= k;
  }

 private:
  // Sets the flag while it lives. Steps over the red zone, because the function into which this is
  // inlined may use it.
  class TrapFlag {
   public:
#if defined(__x86_64__)
    [[gnu::always_inline]] TrapFlag() {
      asm volatile(
          "lea -128(%%rsp), %%rsp\n\tpushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\t"
          "lea 128(%%rsp), %%rsp" ::
              : "memory", "cc");
    }
    [[gnu::always_inline]] ~TrapFlag() {
      asm volatile(
          "lea -128(%%rsp), %%rsp\n\tpushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq\n\t"
          "lea 128(%%rsp), %%rsp" ::
              : "memory", "cc");
    }
#else
    TrapFlag() {}
    ~TrapFlag() {}
#endif
    TrapFlag(const TrapFlag&) = delete;
    TrapFlag& operator=(const TrapFlag&) = delete;
  };

  template <class F>
  [[gnu::noinline]] void step_through(F& f) {
    points_ = 0;
    stepping_ = this;
    {
      const TrapFlag flag;
      f();
    }
    stepping_ = nullptr;
  }

  static void on_trap(int, siginfo_t*, [[maybe_unused]] void* context) {
    EveryInstruction* const self = stepping_;
    if (self == nullptr) return;
    ++self->points_;
    if (self->only_ != 0 && self->only_ != self->points_) return;
#if defined(__x86_64__)
    auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    if (self->only_ != 0) registers[REG_EFL] &= ~greg_t{0x100};  // the rest at full speed
    self->handler_({self->points_, static_cast<std::uintptr_t>(registers[REG_RIP])});
#endif
  }

  // Constant after construction.
  const Handler handler_;
  struct sigaction before_ = {};

  // The stepping thread's, and its signal handler's.
  std::uint64_t points_ = 0;
  std::uint64_t only_ = 0;  // the instruction to interrupt; 0: all
  static inline constinit thread_local EveryInstruction* stepping_ = nullptr;
};

}  // namespace zmqloop::testing

#endif  // ZMQLOOP_TESTS_SUPPORT_EVERY_INSTRUCTION_H_
