// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The clock of a simulated thread: the latest step of each thread that happens before now.
//
// Threads: none; the scheduler runs simulated threads one at a time.

#ifndef ZMQLOOP_TESTS_SCHEDULE_VECTOR_CLOCK_H_
#define ZMQLOOP_TESTS_SCHEDULE_VECTOR_CLOCK_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace zmqloop::schedule {

inline constexpr std::size_t kMostThreads = 8;

// A thread counts its own steps. Sixteen bits keep a clock in one vector register.
using Time = std::int16_t;
inline constexpr Time kNever = INT16_MAX;

class VectorClock {
 public:
  Time of(std::size_t thread) const { return times_[thread]; }
  void set(std::size_t thread, Time time) { times_[thread] = time; }
  void tick(std::size_t thread) { ++times_[thread]; }

  // Whether the step that `thread` made at `time` happens before now.
  bool has_seen(std::size_t thread, Time time) const { return time <= times_[thread]; }

  void join(const VectorClock& other) {
    for (std::size_t i = 0; i < kMostThreads; ++i) {
      times_[i] = std::max(times_[i], other.times_[i]);
    }
  }

  // Whether any of the steps at `times`, one for each thread or kNever, happens before now.
  bool has_seen_any(const VectorClock& times) const {
    bool any = false;
    for (std::size_t i = 0; i < kMostThreads; ++i) any |= times.times_[i] <= times_[i];
    return any;
  }
  // Whether all of the steps at `times`, one for each thread or 0, happen before now.
  bool has_seen_all(const VectorClock& times) const {
    bool all = true;
    for (std::size_t i = 0; i < kMostThreads; ++i) all &= times.times_[i] <= times_[i];
    return all;
  }

  static VectorClock never() {
    VectorClock clock;
    clock.times_.fill(kNever);
    return clock;
  }

 private:
  alignas(16) std::array<Time, kMostThreads> times_{};
};

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_VECTOR_CLOCK_H_
