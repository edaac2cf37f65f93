// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Gives hints to the core and the kernel: wait politely, prefetch cache lines.
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

// Tells the core that this thread is spinning: frees its pipeline for the other hardware thread and
// delays the next check by some ten nanoseconds.
inline void cpu_relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

// Yields the core to a waiting thread of the same priority, if there is one.
inline void yield_core() noexcept { ::sched_yield(); }

// Sleeps for a moment, so that threads of a lower priority get the core as well. Keeps errno.
inline void rest_core() noexcept {
  const CancellationHold hold;
  const int error = errno;
  const timespec moment{0, 50'000};
  ::nanosleep(&moment, nullptr);
  errno = error;
}

// Prefetches the cache line at `address` for reading. The address need not be mapped.
inline void prefetch_to_read(const void* address) noexcept { __builtin_prefetch(address); }

// Prefetches the line and takes it away from other cores, so that a later write does not wait. The
// builtin does that only if compiler flags promise prefetchw. An x86-64 processor without it
// ignores the instruction.
inline void prefetch_to_write(const void* address) noexcept {
#if defined(__x86_64__)
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(address)));
#else
  __builtin_prefetch(address, 1);
#endif
}

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_CPU_HINTS_H_
