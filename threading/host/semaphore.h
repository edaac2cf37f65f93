// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A counting semaphore: a signal handler may post it, and a wait may have a deadline.
//
//   Semaphore answered;
//   answered.post();                                   // any thread, any signal handler
//   const bool in_time = answered.wait_until(deadline);
//
// std::counting_semaphore does not promise that a signal handler may post, nor, in libstdc++ 12,
// that a wait with a deadline sees every post.
//
// Threads: any; post() is async-signal-safe. A post happens-before the return of the wait that
// takes it. A wait is a cancellation point.
// Errors: none.
// Internal.

#ifndef ZMQLOOP_THREADING_HOST_SEMAPHORE_H_
#define ZMQLOOP_THREADING_HOST_SEMAPHORE_H_

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <semaphore.h>

namespace zmqloop {

class Semaphore {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  Semaphore() noexcept { ::sem_init(&semaphore_, 0, 0); }
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;
  ~Semaphore() { ::sem_destroy(&semaphore_); }

  void post() noexcept { ::sem_post(&semaphore_); }

  // Takes a post, waiting for one until `deadline`; TimePoint::max() is for ever. Returns false if
  // none came.
  bool wait_until(TimePoint deadline) {
    using std::chrono::nanoseconds;
    using std::chrono::seconds;
    const nanoseconds since_boot =
        std::max(nanoseconds(deadline.time_since_epoch()), nanoseconds(0));
    const seconds whole = std::chrono::floor<seconds>(since_boot);
    const timespec until = {static_cast<decltype(timespec::tv_sec)>(whole.count()),
                            static_cast<decltype(timespec::tv_nsec)>((since_boot - whole).count())};
    while (deadline == TimePoint::max()
               ? ::sem_wait(&semaphore_) != 0
               : ::sem_clockwait(&semaphore_, CLOCK_MONOTONIC, &until) != 0) {
      if (errno != EINTR) return false;
    }
    return true;
  }

 private:
  sem_t semaphore_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_SEMAPHORE_H_
