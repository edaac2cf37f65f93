// What the library knows of the calling thread.
//
// Threads: each thread its own.
// Internal.

#ifndef ZMQLOOP_THREADING_THREAD_ROLE_H_
#define ZMQLOOP_THREADING_THREAD_ROLE_H_

#include "zmqloop/threading/primitives.h"

namespace zmqloop {

class ThreadRole {
 public:
  // Whether a loop runs on this thread. Such a thread never waits for another loop: two loops with
  // full lanes would wait for each other.
  static bool runs_loop() noexcept { return per_thread<ThreadRole>().runs_loop_; }
  static void set_runs_loop(bool value) noexcept { per_thread<ThreadRole>().runs_loop_ = value; }

 private:
  bool runs_loop_ = false;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_THREAD_ROLE_H_
