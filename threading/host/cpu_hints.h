// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Hints to the core and the kernel: waiting politely, and fetching cache lines ahead.
//
// Threads: any. Async-signal-safe.
// Internal.

#ifndef ZMQLOOP_THREADING_HOST_CPU_HINTS_H_
#define ZMQLOOP_THREADING_HOST_CPU_HINTS_H_

#include <cerrno>
#include <ctime>
#include <sched.h>

#include "zmqloop/threading/host/cancellation_hold.h"

namespace zmqloop {

// Tells the core that this thread is waiting: frees its pipeline for the other hardware thread and
// delays the next look by some ten nanoseconds.
inline void cpu_relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

// Lets another thread of the same priority have the core, if one waits for it.
inline void yield_core() noexcept { ::sched_yield(); }

// Leaves the core for a moment, to threads of a lower priority as well. Keeps errno.
inline void rest_core() noexcept {
  const CancellationHold hold;
  const int error = errno;
  const timespec moment{0, 50'000};
  ::nanosleep(&moment, nullptr);
  errno = error;
}

// Fetches the cache line at `address`, which need not be mapped, for reading.
inline void prefetch_to_read(const void* address) noexcept { __builtin_prefetch(address); }

// Fetches the line and takes it away from other cores, so that a later write does not wait. The
// builtin does that only when told the target has prefetchw; x86-64 without it ignores the
// instruction.
inline void prefetch_to_write(const void* address) noexcept {
#if defined(__x86_64__)
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(address)));
#else
  __builtin_prefetch(address, 1);
#endif
}

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_CPU_HINTS_H_
