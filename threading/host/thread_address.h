// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// An address that tells threads apart: no two living ones share it.
//
// It is not the address of a thread-local variable: a shared object that hides its symbols would
// have its own variable, and the first use on a thread may allocate, even in a signal handler.
//
// Threads: any; async-signal-safe.
// Internal.

#ifndef ZMQLOOP_THREADING_HOST_THREAD_ADDRESS_H_
#define ZMQLOOP_THREADING_HOST_THREAD_ADDRESS_H_

namespace zmqloop {

// clang must not inline this or merge calls: see per_thread() in threading/mailbox/primitives.h.
#ifdef __clang__
[[gnu::noinline]]
#endif
inline const void*
thread_address() noexcept {
#ifdef __clang__
  asm volatile("");
#endif
  return __builtin_thread_pointer();
}

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_THREAD_ADDRESS_H_
