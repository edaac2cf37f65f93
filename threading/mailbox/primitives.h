// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The means by which threads meet: atomics, a lock, and per-thread objects.
//
// The protocol of threading/ uses these names and no others, so that a build may substitute another
// header at this path. The tests under tests/schedule/ compile the same files against a scheduler
// that decides at each of these operations which thread runs on. That build links no other copy of
// the layer, so each class has one definition in a program.
//
// Threads: any.
// Errors: those of the standard library.
// Internal.

#ifndef ZMQLOOP_THREADING_MAILBOX_PRIMITIVES_H_
#define ZMQLOOP_THREADING_MAILBOX_PRIMITIVES_H_

#include <atomic>
#include <mutex>

namespace zmqloop {

template <class T>
using Atom = std::atomic<T>;

using Mutex = std::mutex;

// Lets a class declare and define the object that per_thread() returns, instead of the template.
// Needed if code in headers asks for the object (threading/host/export.h says why).
//
//   class T { public: ZMQLOOP_EXPORT static ZMQLOOP_THREAD_LOCAL T of_this_thread; };
//   ZMQLOOP_THREAD_LOCAL T T::of_this_thread;             // in the .cc
//
// Its constructor must be constant and its destructor trivial.
#define ZMQLOOP_THREAD_LOCAL constinit thread_local

// Returns the calling thread's own T, made at the thread's first call and destroyed at its end. If
// its constructor is constant and its destructor trivial, it exists all the thread's life.
// We keep clang from inlining this and from merging two calls: clang assumes that a coroutine stays
// on one thread, so after a co_await it would use the address from before (llvm issues 47179 and
// 63022).
template <class T>
#ifdef __clang__
[[gnu::noinline]]
#endif
T& per_thread() {
#ifdef __clang__
  asm volatile("");
#endif
  if constexpr (requires { T::of_this_thread; }) {
    return T::of_this_thread;
  } else {
    static thread_local T value;
    return value;
  }
}

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_MAILBOX_PRIMITIVES_H_
