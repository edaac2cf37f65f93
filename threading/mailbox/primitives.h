// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// What threads meet in: atomics, a lock, and what each thread has of its own.
//
// The protocol of threading/ is written in these names and no others, so that a build may give it
// another header of this path: the tests under tests/schedule/ compile the same files against a
// scheduler that decides at each of these operations which thread runs on. That build links no
// other copy of the layer, so that each class has one definition in a program.
//
// Threads: any.
// Errors: as the standard's.
// Internal.

#ifndef ZMQLOOP_THREADING_MAILBOX_PRIMITIVES_H_
#define ZMQLOOP_THREADING_MAILBOX_PRIMITIVES_H_

#include <atomic>
#include <mutex>

namespace zmqloop {

template <class T>
using Atom = std::atomic<T>;

using Mutex = std::mutex;

// How a class declares and defines the object that per_thread() returns, instead of leaving that to
// the template: needed if code in headers asks for it (threading/host/export.h says why).
//
//   class T { public: ZMQLOOP_EXPORT static ZMQLOOP_THREAD_LOCAL T of_this_thread; };
//   ZMQLOOP_THREAD_LOCAL T T::of_this_thread;             // in the .cc
//
// Its constructor must be constant and its destructor trivial.
#define ZMQLOOP_THREAD_LOCAL constinit thread_local

// Returns the calling thread's own T, made at the thread's first call and destroyed at its end; if
// its constructor is constant and its destructor trivial, it is there all the thread's life.
// Not inlined by clang, nor are two calls made one: it takes a coroutine to stay on one thread, and
// would use the address of before a co_await behind it (llvm issues 47179 and 63022).
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
