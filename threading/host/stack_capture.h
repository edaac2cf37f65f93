// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Takes the stack of another thread of this process while that runs on, or waits.
//
//   stack_capture::install();                                      // once, before the first
//   const auto taken = stack_capture::take(thread, 1s);            // innermost address first
//
// The thread is sent SIGURG, whose default is to be ignored and which neither the C library nor
// ZeroMQ uses, with a value of our own. The handler walks the stack by the tables that exceptions
// use, into memory made beforehand: it allocates nothing, takes no lock, keeps errno, and may
// interrupt malloc() and the unwinding of exceptions. Its own frames are left out. (With libgcc 12
// and glibc 2.35 or later; code registered at run time by __register_frame() adds a lock.) In the
// middle of a throw the stack can be walked to the function that throws only, no further: a thread
// found there is asked again, some times. Assembly code whose unwind tables are wrong is not
// noticed.
//
// What a signal does to a system call it does here too: some, such as poll() and nanosleep(), end
// early with EINTR; those that SA_RESTART covers go on.
//
// A SIGURG that is not ours goes to the handler that was there before, and to those of
// IOLoop::add_signal_handler() in any case. The handler is never taken
// away again: a thread that blocks the signal may get it late, and a later handler may refer to
// ours.
//
// Threads: any; one capture at a time, others wait their turn.
// Owns: the memory for one stack.
// Errors: install() throws std::system_error; a stack that cannot be had is a value.
// Internal.

#ifndef ZMQLOOP_THREADING_HOST_STACK_CAPTURE_H_
#define ZMQLOOP_THREADING_HOST_STACK_CAPTURE_H_

#include <cstddef>
#include <cstdint>
#include <signal.h>
#include <string>
#include <sys/types.h>
#include <vector>

#include "zmqloop/threading/host/clock.h"

namespace zmqloop::stack_capture {

inline constexpr int kSignal = SIGURG;
inline constexpr std::size_t kMostFrames = 128;  // the innermost, of a deeper stack

struct Taken {
  std::vector<std::uintptr_t> addresses;  // within the instruction that runs, then within the calls
  std::string failure;                    // why there are none; empty if there are
};

// Installs the handler, if it is not.
void install();

using SignalHandler = void (*)(int signal, siginfo_t* info, void* context);

// Has what goes to `instead_of`, which was there before our handler, go to `next` from now on: for
// one that leaves. No other one is behind ours: no effect. One thread at a time.
void hand_on_to(const struct sigaction& next, SignalHandler instead_of) noexcept;

// Answers what is asked of the calling thread. Returns whether that is what the signal was sent for:
// then no other handler is to hear of it. For handlers of SIGURG that took the place of ours;
// async-signal-safe.
bool answer(const siginfo_t& info) noexcept;

// Has a thread write its stack down; waits no longer than about `patience`, and less for a thread
// that cannot answer.
Taken take(pid_t thread, Duration patience);

// Lets the calling thread be asked; returns whether it was not before.
bool unblock_here() noexcept;
// Takes that back.
void block_here() noexcept;

}  // namespace zmqloop::stack_capture

#endif  // ZMQLOOP_THREADING_HOST_STACK_CAPTURE_H_
