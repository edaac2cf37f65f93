// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Takes the stack of another thread of this process, without stopping that thread.
//
//   stack_capture::install();                                      // once, before the first
//   const auto taken = stack_capture::take(thread, 1s);            // innermost address first
//
// We send the thread SIGURG with a value of our own. By default the signal is ignored, and neither
// the C library nor ZeroMQ uses it. The handler walks the stack by the unwind tables of exceptions,
// into memory allocated beforehand: it allocates nothing, takes no lock, keeps errno, and may
// interrupt malloc() and the unwinding of exceptions. Its own frames are left out. (With libgcc 12
// and glibc 2.35 or later; code registered at run time by __register_frame() adds a lock.) In the
// middle of a throw, the walk can get no further than the function that throws: a thread found
// there is asked again, some times. Assembly code with wrong unwind tables is not noticed.
//
// As with any signal, some system calls of the thread, such as poll() and nanosleep(), end early
// with EINTR; those that SA_RESTART covers go on.
//
// A SIGURG that is not ours goes to the handler that was there before, and always to those of
// IOLoop::add_signal_handler(). Our handler is never removed: a thread that blocks the signal may
// get it late, and a later handler may refer to ours.
//
// Threads: any; one capture at a time, others wait their turn.
// Owns: the memory for one stack.
// Errors: install() throws std::system_error; take() returns its failures as text.
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
inline constexpr std::size_t kMostFrames = 128;  // of a deeper stack, the innermost

struct Taken {
  std::vector<std::uintptr_t> addresses;  // in the running instruction, then in the calls
  std::string failure;                    // why there are no addresses; empty if there are
};

// Installs the handler, unless that was done before.
void install();

using SignalHandler = void (*)(int signal, siginfo_t* info, void* context);

// Forwards signals that are not ours to `next` from now on, instead of to `instead_of`: for a
// handler that was installed before ours and leaves. Has no effect if we forward to another
// handler. One thread at a time.
void hand_on_to(const struct sigaction& next, SignalHandler instead_of) noexcept;

// Answers a request to the calling thread, if there is one. Returns whether the signal is one of
// ours: then do not pass it to other handlers. For handlers of SIGURG that replaced ours;
// async-signal-safe.
bool answer(const siginfo_t& info) noexcept;

// Makes a thread write its stack down. Waits no longer than about `patience`, and less for a thread
// that cannot answer.
Taken take(pid_t thread, Duration patience);

// Unblocks the signal on the calling thread; returns whether it was blocked.
bool unblock_here() noexcept;
// Blocks it again.
void block_here() noexcept;

}  // namespace zmqloop::stack_capture

#endif  // ZMQLOOP_THREADING_HOST_STACK_CAPTURE_H_
