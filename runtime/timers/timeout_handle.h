// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Names a timer of a loop, for IOLoop::remove_timeout().
//
// Threads: a value.
// Public.

#ifndef ZMQLOOP_RUNTIME_TIMERS_TIMEOUT_HANDLE_H_
#define ZMQLOOP_RUNTIME_TIMERS_TIMEOUT_HANDLE_H_

#include <cstdint>

#include "zmqloop/runtime/timers/timer_queue.h"

namespace zmqloop {

// Default-made, it refers to nothing. One whose timer has fired or was removed refers to nothing
// either, and never to a later timer.
class TimeoutHandle {
 public:
  TimeoutHandle() = default;
  friend bool operator==(const TimeoutHandle&, const TimeoutHandle&) = default;

 private:
  friend class IOLoop;
  TimeoutHandle(std::uint64_t loop, TimerId timer) : loop_(loop), timer_(timer) {}

  std::uint64_t loop_ = 0;
  TimerId timer_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_TIMERS_TIMEOUT_HANDLE_H_
