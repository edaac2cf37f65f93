// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// SIGURG asks a blocked thread for its stack, but users may handle it, too. The two uses do not
// disturb each other, in any order in which add_signal_handler(), a threshold and a handler of the
// user's own come and go.
//
// Each test runs in a process of its own, because signal handlers would stay for the next one.

#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>

#include "tests/support/child_process.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/stall_reports.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_thread.h"

// Runs `body`, which returns 0 if all is well, in a program of its own.
#define ZMQLOOP_EXPECT_IN_A_FRESH_PROCESS(body) \
  EXPECT_EXIT(::_exit(body), ::testing::ExitedWithCode(0), "")

namespace zmqloop::testing {
namespace {

constexpr auto kThreshold = 5ms;

std::atomic<int> own_calls{0};
struct sigaction chained = {};

void count(int) { ++own_calls; }
void count_and_chain(int signum, siginfo_t* info, void* context) {
  ++own_calls;
  if ((chained.sa_flags & SA_SIGINFO) != 0) {
    chained.sa_sigaction(signum, info, context);
  } else if (chained.sa_handler != SIG_DFL && chained.sa_handler != SIG_IGN) {
    chained.sa_handler(signum);
  }
}
void install_own_handler() {
  struct sigaction action = {};
  action.sa_handler = &count;
  ::sigaction(SIGURG, &action, nullptr);
}
void install_own_handler_that_chains() {
  struct sigaction action = {};
  action.sa_sigaction = &count_and_chain;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  ::sigaction(SIGURG, &action, &chained);
}

class StallSignalDeathTest : public ::testing::TestWithParam<PollerKind> {
 protected:
  StallSignalDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  static IOLoop::Options options(std::string name) {
    IOLoop::Options result;
    result.poller = GetParam();
    result.name = std::move(name);
    result.stall_reports_per_minute = 0;  // no limit
    return result;
  }
  void run_one_iteration() {
    loop_.add_callback([this] { loop_.add_callback([this] { loop_.stop(); }); });
    loop_.start();
  }

  void add_handler() {
    loop_.add_signal_handler(SIGURG, [this] {
      ++calls_;
      loop_.stop();
    });
  }
  void remove_handler() { loop_.remove_signal_handler(SIGURG); }
  void set_threshold(Duration threshold = kThreshold) {
    loop_.set_blocking_signal_threshold(threshold, reports_.action());
  }
  void clear_threshold() { loop_.set_blocking_signal_threshold(std::nullopt); }

  // Sends the process so many signals, one at a time; returns whether the loop heard each of them.
  bool loop_hears_each_of(int signals) {
    for (int i = 1; i <= signals; ++i) {
      const int before = calls_;
      ::kill(::getpid(), SIGURG);
      while (calls_ == before) loop_.start();
      if (calls_ != before + 1) return false;
    }
    run_one_iteration();
    return true;
  }
  // The same with signals to this thread, to another, and with a value.
  bool loop_hears_signals_of_all_kinds() {
    const auto hears_one = [&](auto&& send) {
      const int before = calls_;
      send();
      while (calls_ == before) loop_.start();
      run_one_iteration();
      return calls_ == before + 1;
    };
    return hears_one([] { ::raise(SIGURG); }) &&
           hears_one([] { ::pthread_kill(::pthread_self(), SIGURG); }) &&
           hears_one([] { ::sigqueue(::getpid(), SIGURG, sigval{.sival_int = 7}); }) &&
           hears_one([] {
             std::thread([] { ::raise(SIGURG); }).join();
           });
  }
  // Makes the loop stall so often; returns whether each stack was taken without a handler's call.
  bool stacks_are_taken(int stalls) {
    const int calls_before = calls_;
    const int own_before = own_calls;
    for (int i = 0; i < stalls; ++i) {
      const std::size_t ended = reports_.ended() + 1;
      loop_.add_callback([&] { reports_.wait_until_begun(reports_.begun() + 1); });
      run_one_iteration();
      reports_.wait_until_ended(ended);
    }
    for (const StallReport& report : reports_.all()) {
      if (report.stack.empty()) std::fprintf(stderr, "no stack: %s\n", report.text().c_str());
      if (report.stack.empty()) return false;
    }
    run_one_iteration();
    return calls_ == calls_before && own_calls == own_before;
  }

  const LoopWatchdog watchdog_;
  StallReports reports_;
  int calls_ = 0;
  RecordingLoop loop_{options("tested")};
};
ZMQLOOP_ON_BOTH_POLLERS(StallSignalDeathTest);

// ---- add_signal_handler() and a threshold ----------------------------------------------------

enum class Step { kAddHandler, kRemoveHandler, kSetThreshold, kClearThreshold };

// Failures: E16
TEST_P(StallSignalDeathTest, IsHeardAsOftenAsItWasSentInEachOrderOfComingAndGoing) {
  using enum Step;
  constexpr std::array<std::array<Step, 4>, 6> kOrders = {{
      {kAddHandler, kSetThreshold, kRemoveHandler, kClearThreshold},
      {kAddHandler, kSetThreshold, kClearThreshold, kRemoveHandler},
      {kAddHandler, kRemoveHandler, kSetThreshold, kClearThreshold},
      {kSetThreshold, kAddHandler, kClearThreshold, kRemoveHandler},
      {kSetThreshold, kAddHandler, kRemoveHandler, kClearThreshold},
      {kSetThreshold, kClearThreshold, kAddHandler, kRemoveHandler},
  }};
  for (const auto& order : kOrders) {
    ZMQLOOP_EXPECT_IN_A_FRESH_PROCESS([&] {
      bool handles = false;
      bool watches = false;
      for (int round = 0; round < 2; ++round) {
        for (const Step step : order) {
          switch (step) {
            case kAddHandler:
              add_handler();
              handles = true;
              break;
            case kRemoveHandler:
              remove_handler();
              handles = false;
              break;
            case kSetThreshold:
              set_threshold();
              watches = true;
              break;
            case kClearThreshold:
              clear_threshold();
              watches = false;
              break;
          }
          if (handles) {
            ZMQLOOP_CHILD_EXPECT(loop_hears_each_of(20));
            ZMQLOOP_CHILD_EXPECT(loop_hears_signals_of_all_kinds());
          } else {
            const int before = calls_;
            ::raise(SIGURG);
            run_one_iteration();
            ZMQLOOP_CHILD_EXPECT(calls_ == before);
          }
          if (watches) ZMQLOOP_CHILD_EXPECT(stacks_are_taken(2));
        }
      }
      return 0;
    }());
  }
}

TEST_P(StallSignalDeathTest, IsHeardAsOftenAsItWasSentWhileStacksAreTaken) {
  for (const bool handler_first : {false, true}) {
    ZMQLOOP_EXPECT_IN_A_FRESH_PROCESS([&] {
      if (handler_first) add_handler();
      LoopThread::Options of_thread;
      of_thread.loop = options("staller");
      LoopThread staller(of_thread);
      StallReports reports;
      std::atomic<bool> end{false};
      staller.loop()
          .submit([&] {
            staller.loop().set_blocking_signal_threshold(1ms, reports.action());
          })
          .get();
      if (!handler_first) add_handler();
      std::function<void()> stall = [&] {
        reports.wait_until_begun(reports.begun() + 1);
        if (!end) staller.loop().add_callback(std::ref(stall));
      };
      staller.loop().add_callback(std::ref(stall));
      int signals = 0;
      for (; signals < 300 || reports.ended() < 20; ++signals) {
        ZMQLOOP_CHILD_EXPECT(loop_hears_each_of(1));
      }
      end = true;
      staller.stop();
      staller.join();
      ZMQLOOP_CHILD_EXPECT(calls_ == signals);
      for (const StallReport& report : reports.all()) {
        ZMQLOOP_CHILD_EXPECT(!report.stack.empty());
      }
      return 0;
    }());
  }
}

TEST_P(StallSignalDeathTest, IsHeardOnEachLoopThatHandlesIt) {
  ZMQLOOP_EXPECT_IN_A_FRESH_PROCESS([&] {
    IOLoop other(options("other"));
    int others_calls = 0;
    set_threshold();
    other.add_signal_handler(SIGURG, [&] { ++others_calls; });
    add_handler();
    ZMQLOOP_CHILD_EXPECT(loop_hears_each_of(20));
    other.add_callback([&] { other.stop(); });
    other.start();
    ZMQLOOP_CHILD_EXPECT(others_calls == 20);
    other.close();
    ZMQLOOP_CHILD_EXPECT(loop_hears_each_of(20));
    ZMQLOOP_CHILD_EXPECT(stacks_are_taken(2));
    return 0;
  }());
}

// ---- a handler of the user's own -------------------------------------------------------------

// Raises so many signals; returns whether the user's handler was called once for each.
bool own_handler_hears(int signals) {
  const int before = own_calls;
  for (int i = 0; i < signals; ++i) ::raise(SIGURG);
  return own_calls == before + signals;
}

TEST_P(StallSignalDeathTest, OfAUsersHandlerIsHeardUnderAThreshold) {
  ZMQLOOP_EXPECT_IN_A_FRESH_PROCESS([&] {
    install_own_handler();
    set_threshold();
    ZMQLOOP_CHILD_EXPECT(own_handler_hears(20));
    ZMQLOOP_CHILD_EXPECT(stacks_are_taken(2));
    clear_threshold();
    ZMQLOOP_CHILD_EXPECT(own_handler_hears(20));
    return 0;
  }());
}

TEST_P(StallSignalDeathTest, OfAUsersHandlerIsItsOwnAgainWhereAThresholdWasThereFirst) {
  ZMQLOOP_EXPECT_IN_A_FRESH_PROCESS([&] {
    install_own_handler();
    set_threshold();
    for (int round = 0; round < 3; ++round) {
      add_handler();
      ZMQLOOP_CHILD_EXPECT(loop_hears_each_of(20));
      ZMQLOOP_CHILD_EXPECT(stacks_are_taken(1));
      remove_handler();
      ZMQLOOP_CHILD_EXPECT(own_handler_hears(20));
      ZMQLOOP_CHILD_EXPECT(stacks_are_taken(1));
    }
    return 0;
  }());
}

TEST_P(StallSignalDeathTest, OfAUsersHandlerIsItsOwnAgainWhereAThresholdCameMeanwhile) {
  ZMQLOOP_EXPECT_IN_A_FRESH_PROCESS([&] {
    install_own_handler();
    add_handler();
    set_threshold();
    for (int round = 0; round < 3; ++round) {
      ZMQLOOP_CHILD_EXPECT(loop_hears_each_of(20));
      ZMQLOOP_CHILD_EXPECT(stacks_are_taken(1));
      remove_handler();
      ZMQLOOP_CHILD_EXPECT(own_handler_hears(20));
      ZMQLOOP_CHILD_EXPECT(stacks_are_taken(1));
      add_handler();
    }
    return 0;
  }());
}

// A handler that replaces another one without chaining gets the signal alone, as always.
TEST_P(StallSignalDeathTest, GoesToAUsersHandlerAloneThatWasInstalledLast) {
  for (const bool handler_first : {false, true}) {
    ZMQLOOP_EXPECT_IN_A_FRESH_PROCESS([&] {
      if (handler_first) add_handler();
      set_threshold(1h);  // never reached: a stall's signal would be counted, too
      if (!handler_first) add_handler();
      install_own_handler();
      ZMQLOOP_CHILD_EXPECT(own_handler_hears(20));
      run_one_iteration();
      ZMQLOOP_CHILD_EXPECT(calls_ == 0);
      remove_handler();
      ZMQLOOP_CHILD_EXPECT(own_handler_hears(20));
      clear_threshold();
      ZMQLOOP_CHILD_EXPECT(own_handler_hears(20));
      return 0;
    }());
  }
}

TEST_P(StallSignalDeathTest, GoesToAllWhereAUsersHandlerHandsItOn) {
  for (const bool handler_first : {false, true}) {
    ZMQLOOP_EXPECT_IN_A_FRESH_PROCESS([&] {
      if (handler_first) add_handler();
      set_threshold(1h);  // never reached: a stall's signal would be counted, too
      if (!handler_first) add_handler();
      install_own_handler_that_chains();
      const int before = own_calls;
      ZMQLOOP_CHILD_EXPECT(loop_hears_each_of(20));
      ZMQLOOP_CHILD_EXPECT(own_calls == before + 20);
      remove_handler();
      ZMQLOOP_CHILD_EXPECT(own_handler_hears(20));
      ZMQLOOP_CHILD_EXPECT(calls_ == 20);
      return 0;
    }());
  }
}

}  // namespace
}  // namespace zmqloop::testing
