// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Ends a test program that hangs, with the name of the test and the state of its loops.
//
// A test that hangs does not say why. While a LoopWatchdog exists, the process has four minutes of
// real time; then the watchdog reports the watched loops and aborts. It uses no thread, so that
// tests that fork may have one.
//
// Threads: watch() any; one watchdog at a time.

#ifndef ZMQLOOP_TESTS_SUPPORT_LOOP_WATCHDOG_H_
#define ZMQLOOP_TESTS_SUPPORT_LOOP_WATCHDOG_H_

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <signal.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "zmqloop/runtime/loop/io_loop.h"

namespace zmqloop::testing {

// Sanitizers and a busy machine cost a factor of ten each.
inline constexpr unsigned kHungAfterSeconds = 240;

class LoopWatchdog {
 public:
  explicit LoopWatchdog(unsigned seconds = kHungAfterSeconds) {
    const ::testing::TestInfo* const info = ::testing::UnitTest::GetInstance()->current_test_info();
    std::snprintf(test_, sizeof test_, "%s.%s", info == nullptr ? "?" : info->test_suite_name(),
                  info == nullptr ? "?" : info->name());
    struct sigaction action = {};
    action.sa_handler = &LoopWatchdog::report;
    ::sigaction(SIGALRM, &action, nullptr);
    ::alarm(seconds);
  }
  LoopWatchdog(const LoopWatchdog&) = delete;
  LoopWatchdog& operator=(const LoopWatchdog&) = delete;
  ~LoopWatchdog() {
    ::alarm(0);
    for (std::atomic<IOLoop*>& place : watched_) place = nullptr;
  }

  // Adds a loop to the report. The loop must outlive the watchdog.
  static void watch(IOLoop& loop) {
    for (std::atomic<IOLoop*>& place : watched_) {
      IOLoop* nobody = nullptr;
      if (place.compare_exchange_strong(nobody, &loop)) return;
    }
  }

 private:
  static void report(int) {
    std::fprintf(stderr, "HUNG: %s\n", test_);
    for (const std::atomic<IOLoop*>& place : watched_) {
      if (IOLoop* const loop = place) describe(*loop);
    }
    std::abort();
  }

  static void describe(IOLoop& loop) {
    const LoopStats s = loop.stats();
    std::fprintf(stderr,
                 "  loop '%s': running %d, closed %d, iterations %llu, callbacks run %llu, pending "
                 "%llu, timers %llu, handlers %llu, wake-ups %llu, exceptions %llu\n",
                 loop.name().c_str(), loop.is_running(), loop.is_closed(), ull(s.iterations),
                 ull(s.callbacks_run), ull(s.pending), ull(s.timers_fired),
                 ull(s.handlers_dispatched), ull(s.wakeups_sent), ull(s.callback_exceptions));
  }
  static unsigned long long ull(std::uint64_t value) { return value; }

  static inline char test_[256] = "";
  static inline std::array<std::atomic<IOLoop*>, 8> watched_{};
};

}  // namespace zmqloop::testing

#endif  // ZMQLOOP_TESTS_SUPPORT_LOOP_WATCHDOG_H_
