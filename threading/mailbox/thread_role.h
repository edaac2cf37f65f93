// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Tells whether the calling thread runs a loop, and which.
//
// Threads: each thread its own.
// Internal.

#ifndef ZMQLOOP_THREADING_MAILBOX_THREAD_ROLE_H_
#define ZMQLOOP_THREADING_MAILBOX_THREAD_ROLE_H_

#include "zmqloop/threading/mailbox/primitives.h"

namespace zmqloop {

class ThreadRole {
 public:
  // Whether a loop runs on this thread. Such a thread never waits for another loop: two loops with
  // full lanes would wait for each other.
  static bool runs_loop() noexcept { return loop_name() != nullptr; }
  // Returns the name of that loop, or null.
  static const char* loop_name() noexcept { return per_thread<ThreadRole>().loop_name_; }
  // `name` lasts until the next call on this thread.
  static void set_loop_name(const char* name) noexcept {
    per_thread<ThreadRole>().loop_name_ = name;
  }

 private:
  const char* loop_name_ = nullptr;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_MAILBOX_THREAD_ROLE_H_
