// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Makes loops that stall, change their thresholds and end while the watchdog watches them.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/loop_fixture.h"
#include "tests/support/process_facts.h"
#include "tests/support/stress_counts.h"
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_thread.h"

namespace zmqloop::testing {
namespace {

constexpr unsigned kSeconds = 600;

// Checks the reports of one loop as they come: one at a time, no end shorter than its stall, and
// none after close().
class Checker {
 public:
  explicit Checker(std::string loop_name) : loop_name_(std::move(loop_name)) {}

  // If a later action replaces this one, the end of a reported stall may never be reported.
  StallAction action() {
    return [this](const StallReport& report) { check(report); };
  }
  // From here on, any report is wrong.
  void close() { closed_ = true; }

  static inline std::atomic<std::uint64_t> stalls{0};
  static inline std::atomic<std::uint64_t> ends{0};
  static inline std::atomic<std::uint64_t> wrong{0};

 private:
  void check(const StallReport& report) {
    if (busy.exchange(true)) ++wrong;  // two actions at once
    ++(report.ended ? ends : stalls);
    if (closed_ || report.loop_name != loop_name_) ++wrong;
    if (report.ended && report.blocked_for < blocked_for_) ++wrong;
    blocked_for_ = report.blocked_for;
    busy = false;
  }

  static inline std::atomic<bool> busy{false};
  const std::string loop_name_;
  Duration blocked_for_{};
  std::atomic<bool> closed_{false};
};

// Keeps a loop busy for about as long as its threshold, in one of several ways.
class Staller {
 public:
  Staller(IOLoop& loop, Checker& checker, unsigned seed)
      : loop_(loop), checker_(checker), random_(seed) {}

  void operator()() {
    const TimePoint until = Clock::now() + std::chrono::microseconds(random_() % 3'000);
    while (Clock::now() < until) consume();
    switch (random_() % 8) {
      case 0:
        loop_.set_blocking_signal_threshold(std::nullopt);
        break;
      case 1:
      case 2:
        enable();
        break;
      case 3:
        throw std::runtime_error("on purpose");
      default:
        break;
    }
  }
  void enable() {
    const auto threshold = std::chrono::microseconds(random_() % 2'000 + 1);
    loop_.set_blocking_signal_threshold(threshold, checker_.action());
  }

 private:
  // Throws and allocates: dangerous work for a signal to interrupt.
  static void consume() {
    try {
      throw std::string(100, 'x');
    } catch (const std::string& thrown) {
      if (thrown.empty()) std::abort();
    }
  }

  IOLoop& loop_;
  Checker& checker_;
  std::mt19937 random_;
};

class QuietLoop : public IOLoop {
 public:
  using IOLoop::IOLoop;
  void handle_callback_exception(std::exception_ptr) override {}
};

TEST(StallStress, OfLoopsThatComeAndGoHasReportsInOrderAndNoneAfterTheEnd) {
  const LoopWatchdog watchdog(kSeconds);
  const auto drive = [](unsigned driver) {
    const std::uint64_t rounds = light_stress_count(400);
    for (std::uint64_t round = 0; round < rounds; ++round) {
      IOLoop::Options options;
      options.name = "stressed-" + std::to_string(driver) + "-" + std::to_string(round);
      options.stall_reports_per_minute = 0;
      Checker checker(options.name);
      {
        QuietLoop loop(options);
        Staller staller(loop, checker, static_cast<unsigned>(round) * 16 + driver);
        staller.enable();
        for (int i = 0; i < 6; ++i) loop.add_callback(std::ref(staller));
        for (int i = 0; i < 2; ++i) loop.add_timeout(0s, std::ref(staller));
        loop.add_timeout(0s, [&] { loop.stop(); });
        loop.start();
        if (round % 2 == 0) loop.close();
      }
      checker.close();
    }
  };
  std::vector<std::thread> drivers;
  for (unsigned driver = 0; driver < 4; ++driver) drivers.emplace_back(drive, driver);
  for (std::thread& driver : drivers) driver.join();
  EXPECT_EQ(Checker::wrong, 0u);
  EXPECT_GT(Checker::stalls, 0u);
  EXPECT_GT(Checker::ends, 0u);
  EXPECT_TRUE(eventually([] { return thread_names().count("zmqloop-stalls") == 0; }));
}

}  // namespace
}  // namespace zmqloop::testing
