// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Helpers for tests of stall detection: callables that block until a report of them arrives, and a
// second loop to prove that a report would have come by now.

#ifndef ZMQLOOP_TESTS_SUPPORT_STALL_REPORTS_H_
#define ZMQLOOP_TESTS_SUPPORT_STALL_REPORTS_H_

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>
#include <vector>

#include "zmqloop/runtime/pool/loop_thread.h"
#include "zmqloop/runtime/stalls/stall_report.h"

namespace zmqloop::testing {

// Keeps reports, and lets callables block until there are enough. Any thread.
class StallReports {
 public:
  StallAction action() {
    return [this](const StallReport& report) { add(report); };
  }
  void add(const StallReport& report) {
    const std::lock_guard lock(mutex_);
    all_.push_back(report);
    added_.notify_all();
  }

  std::vector<StallReport> all() const {
    const std::lock_guard lock(mutex_);
    return all_;
  }
  std::size_t begun() const { return count(false); }
  std::size_t ended() const { return count(true); }

  // Blocks until this number of stalls were reported while they lasted.
  void wait_until_begun(std::size_t stalls) const { wait_until(stalls, false); }
  // Blocks until the ends of this number of stalls were reported.
  void wait_until_ended(std::size_t stalls) const { wait_until(stalls, true); }

 private:
  std::size_t count_locked(bool ended) const {
    return static_cast<std::size_t>(
        std::count_if(all_.begin(), all_.end(),
                      [ended](const StallReport& report) { return report.ended == ended; }));
  }
  std::size_t count(bool ended) const {
    const std::lock_guard lock(mutex_);
    return count_locked(ended);
  }
  // Not inlined, so that tests find it in stacks.
  __attribute__((noinline)) void wait_until(std::size_t stalls, bool ended) const {
    std::unique_lock lock(mutex_);
    added_.wait(lock, [&] { return count_locked(ended) >= stalls; });
  }

  mutable std::mutex mutex_;
  mutable std::condition_variable added_;
  std::vector<StallReport> all_;
};

// A loop whose stalls prove that time has passed for the watchdog. Each lasts for `threshold`, and
// until it was reported.
class ControlLoop {
 public:
  explicit ControlLoop(Duration threshold) {
    thread_.loop()
        .submit([&] { thread_.loop().set_blocking_signal_threshold(threshold, reports_.action()); })
        .get();
  }

  // Returns when two stalls that began after the call were reported. By then each stall of another
  // loop that had begun before, with a threshold no larger, would have been reported too.
  void let_two_thresholds_pass() {
    for (int i = 0; i < 2; ++i) {
      const std::size_t next = reports_.begun() + 1;
      thread_.loop().add_callback([this, next] { reports_.wait_until_begun(next); });
      reports_.wait_until_ended(next);
    }
  }

 private:
  static LoopThread::Options options() {
    LoopThread::Options options;
    options.name = "control";
    options.loop.stall_reports_per_minute = 0;
    return options;
  }

  StallReports reports_;
  LoopThread thread_{options()};
};

// Returns whether a function of that name is in the stack of a report.
inline bool stack_names(const StallReport& report, const std::string& function) {
  return std::any_of(report.stack.begin(), report.stack.end(), [&](const StackTrace::Frame& frame) {
    return frame.function.find(function) != std::string::npos;
  });
}

}  // namespace zmqloop::testing

#endif  // ZMQLOOP_TESTS_SUPPORT_STALL_REPORTS_H_
