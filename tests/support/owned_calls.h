// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// All calls that only a loop's thread may make, for tests that make them on other threads.
//
//   OwnedCalls calls(loop);
//   loop.add_callback([&] { calls.prepare(); });       // adds calls that need, say, a timer
//   expect_refused_elsewhere(calls, loop.name(), owner);
//
// Threads: prepare() on the loop's; the calls on any, because tests try that. Destroyed on any
// thread, once no call is under way.

#ifndef ZMQLOOP_TESTS_SUPPORT_OWNED_CALLS_H_
#define ZMQLOOP_TESTS_SUPPORT_OWNED_CALLS_H_

#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/zmq_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/runtime/basics/errors.h"
#include "zmqloop/runtime/callbacks/delayed_callback.h"
#include "zmqloop/runtime/callbacks/periodic_callback.h"
#include "zmqloop/runtime/loop/io_loop.h"
#include "zmqloop/threading/host/thread_label.h"

namespace zmqloop::testing {

class OwnedCalls {
 public:
  // The effect of a call once the loop is closed.
  enum class OnceClosed : bool { kIsRefused, kDoesNothing };
  struct Call {
    std::string operation;  // its name in messages
    OnceClosed once_closed;
    std::function<void()> make;
  };

  explicit OwnedCalls(IOLoop& loop) : loop_(loop), periodic_(count(), kNever, &loop),
        started_periodic_(count(), kNever, &loop), delayed_(count(), kNever, &loop),
        started_delayed_(count(), kNever, &loop) {
    add_unprepared();
  }
  OwnedCalls(const OwnedCalls&) = delete;
  OwnedCalls& operator=(const OwnedCalls&) = delete;

  // Arms, registers and starts the objects of the remaining calls, and adds these calls.
  void prepare() {
    timer_ = loop_.add_timeout(kNever, count());
    loop_.add_handler(registered_.get(), count(), Events::kRead);
    loop_.add_signal_handler(SIGUSR2, count());
    started_periodic_.start();
    started_delayed_.start();
    const auto nothing = OnceClosed::kDoesNothing;
    add("IOLoop::remove_timeout", nothing, [this] { loop_.remove_timeout(timer_); });
    add("IOLoop::update_handler", OnceClosed::kIsRefused,
        [this] { loop_.update_handler(registered_.get(), Events::kWrite); });
    add("IOLoop::touch", OnceClosed::kIsRefused, [this] { loop_.touch(registered_.get()); });
    add("IOLoop::remove_handler", nothing, [this] { loop_.remove_handler(registered_.get()); });
    add("PeriodicCallback::start", OnceClosed::kIsRefused, [this] { started_periodic_.start(); });
    add("PeriodicCallback::set_period", nothing, [this] { started_periodic_.set_period(kNever); });
    add("PeriodicCallback::stop", nothing, [this] { started_periodic_.stop(); });
    add("DelayedCallback::stop", nothing, [this] { started_delayed_.stop(); });
  }
  // The timers and handlers that prepare() adds, as CloseReport counts them.
  static constexpr std::uint64_t kTimers = 3;
  static constexpr std::uint64_t kHandlers = 1;

  // Returns the calls that need no preparation; after prepare(), all calls.
  const std::vector<Call>& all() const { return calls_; }
  // Returns how many callables of these calls were called.
  int called() const { return called_; }

 private:
  static constexpr std::chrono::hours kNever{24};

  std::function<void()> count() {
    return [this] { ++called_; };
  }
  void add(std::string operation, OnceClosed once_closed, std::function<void()> make) {
    calls_.push_back({std::move(operation), once_closed, std::move(make)});
  }
  void add_unprepared() {
    const auto refused = OnceClosed::kIsRefused;
    const auto nothing = OnceClosed::kDoesNothing;
    add("IOLoop::add_timeout", refused, [this] { loop_.add_timeout(kNever, count()); });
    add("IOLoop::call_later", refused, [this] { loop_.call_later(kNever, count()); });
    add("IOLoop::call_at", refused, [this] { loop_.call_at(TimePoint::max(), count()); });
    add("IOLoop::add_handler", refused,
        [this] { loop_.add_handler(unregistered_.get(), count(), Events::kRead); });
    add("IOLoop::update_handler", refused,
        [this] { loop_.update_handler(unregistered_.get(), Events::kRead); });
    add("IOLoop::remove_handler", nothing, [this] { loop_.remove_handler(unregistered_.get()); });
    add("IOLoop::touch", refused, [this] { loop_.touch(unregistered_.get()); });
    add("IOLoop::add_signal_handler", refused,
        [this] { loop_.add_signal_handler(SIGUSR2, count()); });
    add("IOLoop::remove_signal_handler", nothing,
        [this] { static_cast<void>(loop_.remove_signal_handler(SIGUSR2)); });
    add("IOLoop::set_blocking_signal_threshold", refused,
        [this] { loop_.set_blocking_signal_threshold(kNever, [](const StallReport&) {}); });
    add("IOLoop::set_blocking_signal_threshold", refused,
        [this] { loop_.set_blocking_log_threshold(kNever); });
    add("IOLoop::set_blocking_signal_threshold", nothing,
        [this] { loop_.set_blocking_signal_threshold({}); });
    add("IOLoop::set_blocking_signal_threshold", nothing,
        [this] { loop_.set_blocking_log_threshold({}); });
    add("IOLoop::start", refused, [this] { loop_.start(); });
    add("IOLoop::run_sync", refused, [this] { loop_.run_sync(count()); });
    add("IOLoop::close", nothing, [this] { EXPECT_EQ(loop_.close(), CloseReport()); });
    add("IOLoop::close", nothing, [this] { EXPECT_EQ(loop_.close(true), CloseReport()); });
    add("PeriodicCallback::start", refused, [this] { periodic_.start(); });
    add("DelayedCallback::start", refused, [this] { delayed_.start(); });
    add("PeriodicCallback::set_period", nothing, [this] { periodic_.set_period(kNever); });
    // Calls that have nothing to do are refused as well.
    add("PeriodicCallback::stop", nothing, [this] { periodic_.stop(); });
    add("DelayedCallback::stop", nothing, [this] { delayed_.stop(); });
  }

  IOLoop& loop_;
  std::atomic<int> called_{0};
  const OwnedFd unregistered_ = make_event();
  const OwnedFd registered_ = make_event();
  PeriodicCallback periodic_;
  PeriodicCallback started_periodic_;
  DelayedCallback delayed_;
  DelayedCallback started_delayed_;
  TimeoutHandle timer_;
  std::vector<Call> calls_;
};

// Expects each call to be refused here, with a std::logic_error that names the call, the loop, the
// thread `owner` and the calling thread.
inline void expect_refused_elsewhere(const OwnedCalls& calls, const std::string& loop_name,
                                     const std::string& owner) {
  using ::testing::AllOf;
  using ::testing::HasSubstr;
  ASSERT_NE(owner, current_thread_label());
  for (const OwnedCalls::Call& call : calls.all()) {
    try {
      call.make();
      ADD_FAILURE() << call.operation << " was accepted";
    } catch (const LoopClosedError& error) {
      ADD_FAILURE() << call.operation << " says that an open loop is closed: " << error.what();
    } catch (const std::logic_error& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr(call.operation + ": "),
                                      HasSubstr("'" + loop_name + "'"), HasSubstr(owner),
                                      HasSubstr("called on " + current_thread_label())));
    }
  }
}

// Expects each call that adds something to throw a LoopClosedError that names the loop, and each
// other call to do nothing without an error.
inline void expect_closed(const OwnedCalls& calls, const std::string& loop_name) {
  using ::testing::AllOf;
  using ::testing::HasSubstr;
  for (const OwnedCalls::Call& call : calls.all()) {
    if (call.once_closed == OwnedCalls::OnceClosed::kDoesNothing) {
      EXPECT_NO_THROW(call.make()) << call.operation;
      continue;
    }
    try {
      call.make();
      ADD_FAILURE() << call.operation << " was accepted";
    } catch (const LoopClosedError& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr(call.operation + ": "),
                                      HasSubstr("'" + loop_name + "' is closed")));
    } catch (const std::exception& error) {
      ADD_FAILURE() << call.operation << " threw another exception: " << error.what();
    }
  }
}

}  // namespace zmqloop::testing

#endif  // ZMQLOOP_TESTS_SUPPORT_OWNED_CALLS_H_
