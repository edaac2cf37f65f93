// One polite step of a busy wait.
//
// Threads: any. Async-signal-safe.
// Internal.

#ifndef ZMQLOOP_THREADING_CPU_RELAX_H_
#define ZMQLOOP_THREADING_CPU_RELAX_H_

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

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_CPU_RELAX_H_
