// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Fixtures for tests of a loop: the loop on both pollers, a watchdog, a clock that stands still,
// and a loop that keeps or rethrows the exceptions of its callbacks.

#ifndef ZMQLOOP_TESTS_SUPPORT_LOOP_FIXTURE_H_
#define ZMQLOOP_TESTS_SUPPORT_LOOP_FIXTURE_H_

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/loop_watchdog.h"
#include <gtest/gtest.h>

#include "zmqloop/runtime/loop/io_loop.h"

namespace zmqloop::testing {

using namespace std::chrono_literals;

// A clock that moves only when the test advances it. One thread.
class FakeClock {
 public:
  std::function<TimePoint()> function() {
    return [this] { return now_; };
  }
  TimePoint now() const { return now_; }
  void advance(Duration by) { now_ += by; }
  void set(TimePoint to) { now_ = to; }

 private:
  TimePoint now_ = TimePoint(std::chrono::hours(1));
};

// A loop that records the exceptions of its callbacks, and lets them escape from start() if
// `escape` is set.
class RecordingLoop : public IOLoop {
 public:
  using IOLoop::IOLoop;
  void handle_callback_exception(std::exception_ptr error) override {
    errors.push_back(error);
    if (on_error) on_error();
    if (escape) std::rethrow_exception(error);
  }
  // Returns the text of a recorded exception.
  std::string what(std::size_t i) const {
    try {
      std::rethrow_exception(errors.at(i));
    } catch (const std::exception& error) {
      return error.what();
    } catch (...) {
      return "not a std::exception";
    }
  }

  bool escape = false;
  std::function<void()> on_error;
  std::vector<std::exception_ptr> errors;
};

// Calls a function when it is destroyed, unless it was moved from.
class AtDestruction {
 public:
  explicit AtDestruction(std::function<void()> f) : f_(std::move(f)) {}
  AtDestruction(AtDestruction&& other) noexcept : f_(std::exchange(other.f_, nullptr)) {}
  AtDestruction& operator=(AtDestruction&&) = delete;
  ~AtDestruction() {
    if (f_) f_();
  }

 private:
  std::function<void()> f_;
};

// Runs `f`, which must throw an E, and returns its text.
template <class E, class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "threw another exception: " << error.what();
    return {};
  }
  ADD_FAILURE() << "threw nothing";
  return {};
}

// Tests of a loop's promises derive from this; each runs with every poller.
class OnBothPollers : public ::testing::TestWithParam<PollerKind> {
 protected:
  OnBothPollers() { LoopWatchdog::watch(loop_); }

  static IOLoop::Options options(std::string name = "tested") {
    IOLoop::Options options;
    options.poller = GetParam();
    options.name = std::move(name);
    // A batch takes one turn, even on a slow machine; io_loop_turns_test.cc tests several turns.
    options.turn_budget = Duration::max();
    return options;
  }

  // Runs until one whole iteration has done all work that is queued, due or ready now.
  void run_one_iteration() {
    loop_.add_callback([this] { loop_.add_callback([this] { loop_.stop(); }); });
    loop_.start();
  }

  const LoopWatchdog watchdog_;
  RecordingLoop loop_{options()};
};

inline std::string poller_name(const ::testing::TestParamInfo<PollerKind>& info) {
  return info.param == PollerKind::kEpoll ? "Epoll" : "ZmqPoll";
}

}  // namespace zmqloop::testing

// Runs a suite with every poller.
#define ZMQLOOP_ON_BOTH_POLLERS(suite)                                                   \
  INSTANTIATE_TEST_SUITE_P(                                                              \
      Pollers, suite,                                                                    \
      ::testing::Values(::zmqloop::PollerKind::kEpoll, ::zmqloop::PollerKind::kZmqPoll), \
      ::zmqloop::testing::poller_name)

#endif  // ZMQLOOP_TESTS_SUPPORT_LOOP_FIXTURE_H_
