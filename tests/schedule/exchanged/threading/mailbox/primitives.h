// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The primitives of the library's threading/mailbox/primitives.h for simulated threads. Code
// compiled for the scheduler includes this file under the same path.

#ifndef ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_THREADING_MAILBOX_PRIMITIVES_H_
#define ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_THREADING_MAILBOX_PRIMITIVES_H_

#include <mutex>
#include <type_traits>

#include "tests/schedule/atom.h"
#include "tests/schedule/thread.h"

namespace zmqloop {

template <class T>
using Atom = schedule::Atom<T>;

using Mutex = schedule::Mutex;

// Declares a variable that stays unused: per_thread() returns the simulated thread's own object.
#define ZMQLOOP_THREAD_LOCAL constinit

template <class T>
T& per_thread() {
  static constexpr char key = 0;  // its address stands for T
  if (void* const found = schedule::find_local(&key)) return *static_cast<T*>(found);
  T* const made = new T;
  schedule::add_local(
      &key, made, [](void* object) { delete static_cast<T*>(object); },
      std::is_trivially_destructible_v<T>);
  return *made;
}

}  // namespace zmqloop

#endif  // ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_THREADING_MAILBOX_PRIMITIVES_H_
