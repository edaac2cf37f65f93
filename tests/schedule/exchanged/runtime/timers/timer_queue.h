// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The library's runtime/timers/timer_queue.h for loops without timers: other threads never touch
// the queue.

#ifndef ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_RUNTIME_TIMERS_TIMER_QUEUE_H_
#define ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_RUNTIME_TIMERS_TIMER_QUEUE_H_

#include <cstddef>
#include <optional>
#include <typeinfo>

#include "zmqloop/threading/host/clock.h"

namespace zmqloop {

class TimerQueue {
 public:
  bool empty() const noexcept { return true; }
  std::optional<TimePoint> next_deadline() const noexcept { return std::nullopt; }
  std::size_t begin_due(TimePoint) { return 0; }
  bool run_next_due() { return false; }
  const std::type_info* next_due_type() noexcept { return nullptr; }
  const std::type_info* running_type() const { return nullptr; }
  void trim() noexcept {}
  std::size_t clear() noexcept { return 0; }
};

}  // namespace zmqloop

#endif  // ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_RUNTIME_TIMERS_TIMER_QUEUE_H_
