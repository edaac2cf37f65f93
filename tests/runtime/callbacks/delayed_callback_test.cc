// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Delayed callbacks: one call per last start, none after a stop, and either side destroyed first.

#include "zmqloop/runtime/callbacks/delayed_callback.h"

#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "tests/support/child_process.h"
#include "tests/support/loop_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_thread.h"

namespace zmqloop::testing {
namespace {

using std::chrono::duration;
using ::testing::AllOf;
using ::testing::HasSubstr;

struct NamedCallable {
  void operator()() const { throw std::range_error("out of range"); }
};

class DelayedCallbackTest : public OnBothPollers {
 protected:
  static IOLoop::Options with_clock(FakeClock& clock) {
    IOLoop::Options result = options("clocked");
    result.clock = clock.function();
    return result;
  }
  void run_clocked() { run(clocked_); }
  static void run(IOLoop& loop) {
    loop.add_callback([&loop] { loop.stop(); });
    loop.start();
  }
  void advance(Duration by) {
    clock_.advance(by);
    run_clocked();
  }
  auto count() {
    return [this] { ++calls_; };
  }

  FakeClock clock_;
  RecordingLoop clocked_{with_clock(clock_)};
  int calls_ = 0;
};
ZMQLOOP_ON_BOTH_POLLERS(DelayedCallbackTest);

// ---- start and stop ----

TEST_P(DelayedCallbackTest, DoesNothingUntilItIsStarted) {
  DelayedCallback delayed(count(), 0s, &clocked_);
  EXPECT_FALSE(delayed.is_running());
  advance(1h);
  EXPECT_EQ(calls_, 0);
}

TEST_P(DelayedCallbackTest, CallsOnceAfterItsDelayAndNeverEarly) {
  DelayedCallback delayed(count(), 10ms, &clocked_);
  delayed.start();
  EXPECT_TRUE(delayed.is_running());
  advance(10ms - 1ns);
  EXPECT_EQ(calls_, 0);
  advance(1ns);
  EXPECT_EQ(calls_, 1);
  EXPECT_FALSE(delayed.is_running());
  advance(1h);
  EXPECT_EQ(calls_, 1);
}

TEST_P(DelayedCallbackTest, NeverCallsEarlyByTheRealClock) {
  TimePoint called;
  DelayedCallback delayed(
      [&] {
        called = Clock::now();
        loop_.stop();
      },
      5ms, &loop_);
  const TimePoint due = Clock::now() + 5ms;
  delayed.start();
  loop_.start();
  EXPECT_GE(called, due);
}

TEST_P(DelayedCallbackTest, ReallyStops) {
  DelayedCallback delayed(count(), 10ms, &clocked_);
  delayed.start();
  delayed.stop();
  delayed.stop();
  EXPECT_FALSE(delayed.is_running());
  EXPECT_EQ(clocked_.close().timers_abandoned, 0u) << "no dead timer is left behind";
}

TEST_P(DelayedCallbackTest, CountsFromTheLastStart) {
  DelayedCallback delayed(count(), 10ms, &clocked_);
  delayed.start();
  advance(6ms);
  delayed.start();
  advance(10ms - 1ns);
  EXPECT_EQ(calls_, 0) << "the first start's deadline is over";
  advance(1ns);
  EXPECT_EQ(calls_, 1);
  advance(1h);
  EXPECT_EQ(calls_, 1);
}

TEST_P(DelayedCallbackTest, StartedStoppedAndStartedCallsAtTheLastStartsDeadline) {
  DelayedCallback delayed(count(), 10ms, &clocked_);
  delayed.start();
  advance(6ms);
  delayed.stop();
  delayed.start();
  advance(4ms);
  EXPECT_EQ(calls_, 0) << "called at the first start's deadline";
  advance(6ms);
  EXPECT_EQ(calls_, 1);
}

TEST_P(DelayedCallbackTest, LeavesOneTimerHoweverOftenItIsStarted) {
  DelayedCallback delayed(count(), 10ms, &clocked_);
  for (int i = 0; i < 1'000; ++i) delayed.start();
  EXPECT_EQ(clocked_.close().timers_abandoned, 1u);
}

TEST_P(DelayedCallbackTest, CanBeStartedAgainAfterItHasCalled) {
  DelayedCallback delayed(count(), 10ms, &clocked_);
  for (int i = 1; i <= 3; ++i) {
    delayed.start();
    advance(10ms);
    EXPECT_EQ(calls_, i);
  }
}

TEST_P(DelayedCallbackTest, CanBeStartedFromItsOwnCallback) {
  std::optional<DelayedCallback> delayed;
  delayed.emplace(
      [&] {
        EXPECT_FALSE(delayed->is_running());
        if (++calls_ < 3) delayed->start();
      },
      10ms, &clocked_);
  delayed->start();
  for (int i = 1; i <= 3; ++i) {
    advance(10ms - 1ns);
    EXPECT_EQ(calls_, i - 1);
    EXPECT_TRUE(delayed->is_running());
    advance(1ns);
    EXPECT_EQ(calls_, i);
  }
  EXPECT_FALSE(delayed->is_running());
}

TEST_P(DelayedCallbackTest, MayBeStoppedByItsOwnCallbackAndByOthersOfTheSameIteration) {
  std::optional<DelayedCallback> delayed;
  delayed.emplace(
      [&] {
        ++calls_;
        delayed->start();
        delayed->stop();
      },
      10ms, &clocked_);
  DelayedCallback stopped([&] { calls_ += 100; }, 11ms, &clocked_);
  DelayedCallback stopper([&] { stopped.stop(); }, 5ms, &clocked_);
  delayed->start();
  stopped.start();
  stopper.start();
  advance(1h);
  advance(1h);
  EXPECT_EQ(calls_, 1);
}

TEST_P(DelayedCallbackTest, CallsAsSoonAsPossibleForZeroAndNegativeDelays) {
  for (const AnyDuration delay : {AnyDuration(0s), AnyDuration(-1s), AnyDuration(Duration::min()),
                                  AnyDuration(duration<double>(-1e300))}) {
    calls_ = 0;
    DelayedCallback delayed(count(), delay, &clocked_);
    delayed.start();
    EXPECT_EQ(calls_, 0) << "never from within start()";
    run_clocked();
    EXPECT_EQ(calls_, 1);
  }
}

TEST_P(DelayedCallbackTest, NeverCallsForADelayOfNever) {
  for (const AnyDuration delay :
       {AnyDuration(Duration::max()), AnyDuration(duration<double>(std::nan("")))}) {
    DelayedCallback delayed(count(), delay, &clocked_);
    delayed.start();
    clock_.set(TimePoint::max());
    run_clocked();
    EXPECT_EQ(calls_, 0);
    EXPECT_TRUE(delayed.is_running());
  }
}

// ---- callables ----

TEST_P(DelayedCallbackTest, TakesCallablesOfAnyKindAndRefusesNull) {
  static int function_calls;
  function_calls = 0;
  DelayedCallback function(
      +[] { ++function_calls; }, 0s, &clocked_);
  DelayedCallback move_only([this, one = std::make_unique<int>(1)] { calls_ += *one; }, 0s,
                            &clocked_);
  DelayedCallback returning([this] { return ++calls_; }, 0s, &clocked_);
  std::function<void()> counting = count();
  DelayedCallback erased(counting, 0s, &clocked_);
  function.start();
  move_only.start();
  returning.start();
  erased.start();
  run_clocked();
  EXPECT_EQ(function_calls, 1);
  EXPECT_EQ(calls_, 3);

  void (*const null)() = nullptr;
  EXPECT_THAT(error_of<std::invalid_argument>([&] { DelayedCallback(null, 1s, &clocked_); }),
              HasSubstr("DelayedCallback"));
  EXPECT_THROW(DelayedCallback(std::function<void()>(), 1s, &clocked_), std::invalid_argument);
  static_assert(!std::is_constructible_v<DelayedCallback, void (*)(int), Duration>);
  static_assert(!std::is_constructible_v<DelayedCallback, void (*)(), int>);
}

TEST_P(DelayedCallbackTest, HandsExceptionsToTheLoopAndCanBeStartedAgain) {
  DelayedCallback delayed([] { throw std::runtime_error("at last"); }, 0s, &clocked_);
  for (std::size_t i = 0; i < 2; ++i) {
    delayed.start();
    run_clocked();
    ASSERT_EQ(clocked_.errors.size(), i + 1);
    EXPECT_EQ(clocked_.what(i), "at last");
    EXPECT_FALSE(delayed.is_running());
  }
}

TEST_P(DelayedCallbackTest, NamesItsCallableWhenThatThrows) {
  IOLoop loop(options("talkative"));
  DelayedCallback delayed(NamedCallable{}, 0s, &loop);
  delayed.start();
  ::testing::internal::CaptureStderr();
  run(loop);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("NamedCallable: std::range_error"), HasSubstr("'talkative'")));
}

// ---- which loop ----

TEST_P(DelayedCallbackTest, UsesTheLoopThatIsCurrentAtEachStart) {
  DelayedCallback delayed(count(), 0s);
  clocked_.make_current();
  delayed.start();
  run(loop_);
  EXPECT_EQ(calls_, 0);
  run_clocked();
  EXPECT_EQ(calls_, 1);

  delayed.start();
  loop_.make_current();
  delayed.start();  // moves it away from the other loop
  IOLoop::clear_current();
  run_clocked();
  EXPECT_EQ(calls_, 1);
  run(loop_);
  EXPECT_EQ(calls_, 2);
}

TEST_P(DelayedCallbackTest, UsesTheRunningLoopIfStartedThere) {
  DelayedCallback delayed(count(), 0s);
  clocked_.add_callback([&] { delayed.start(); });
  run_clocked();
  EXPECT_EQ(calls_, 1);
}

// ---- order of destruction ----

TEST_P(DelayedCallbackTest, IsStoppedByItsDestructor) {
  const auto alive = std::make_shared<int>();
  {
    DelayedCallback delayed([alive, this] { ++calls_; }, 10ms, &clocked_);
    delayed.start();
  }
  EXPECT_EQ(alive.use_count(), 1);
  advance(1h);
  EXPECT_EQ(calls_, 0);
  EXPECT_EQ(clocked_.close().timers_abandoned, 0u);
}

TEST_P(DelayedCallbackTest, MayBeDestroyedByItsOwnCallback) {
  auto alive = std::make_shared<std::string>("still here");
  const std::weak_ptr<std::string> watch = alive;
  std::optional<DelayedCallback> delayed;
  delayed.emplace(
      [this, &delayed, alive = std::move(alive)] {
        delayed.reset();
        EXPECT_EQ(*alive, "still here");
        ++calls_;
      },
      0s, &clocked_);
  delayed->start();
  run_clocked();
  EXPECT_EQ(calls_, 1);
  EXPECT_TRUE(watch.expired());
}

TEST_P(DelayedCallbackTest, OutlivesAClosedLoop) {
  DelayedCallback delayed(count(), 10ms, &clocked_);
  delayed.start();
  EXPECT_EQ(clocked_.close().timers_abandoned, 1u);
  EXPECT_FALSE(delayed.is_running());
  delayed.stop();
  EXPECT_THROW(delayed.start(), LoopClosedError);
}

TEST_P(DelayedCallbackTest, OutlivesADestroyedLoop) {
  const auto alive = std::make_shared<int>();
  std::optional<IOLoop> gone(std::in_place, options("gone"));
  DelayedCallback started([alive] {}, 10ms, &*gone);
  DelayedCallback not_started([] {}, 10ms, &*gone);
  started.start();
  gone.reset();
  EXPECT_FALSE(started.is_running());
  started.stop();
  EXPECT_THAT(error_of<LoopClosedError>([&] { started.start(); }),
              AllOf(HasSubstr("DelayedCallback::start"), HasSubstr("loop 'gone' is closed")));
  EXPECT_THROW(not_started.start(), LoopClosedError);
  EXPECT_EQ(alive.use_count(), 2) << "it is the delayed callback's, not the loop's";
}

TEST_P(DelayedCallbackTest, CanBeStartedOnAnotherLoopWhenItsFirstIsGone) {
  DelayedCallback delayed(count(), 0s);
  std::optional<IOLoop> gone(std::in_place, options("gone"));
  gone->make_current();
  delayed.start();
  gone.reset();
  clocked_.make_current();
  delayed.start();
  IOLoop::clear_current();
  run_clocked();
  EXPECT_EQ(calls_, 1);
}

TEST_P(DelayedCallbackTest, MayBeOwnedByACallbackOfTheLoopThatIsDestroyed) {
  {
    IOLoop loop(options());
    const auto posted = std::make_shared<DelayedCallback>(count(), 10ms, &loop);
    const auto armed = std::make_shared<DelayedCallback>(count(), 10ms, &loop);
    posted->start();
    armed->start();
    loop.add_callback([posted] {});
    loop.add_timeout(1h, [armed] {});
  }
  EXPECT_EQ(calls_, 0);
}

// ---- threads ----

TEST_P(DelayedCallbackTest, IsRefusedOnAnotherThreadWhileTheLoopRuns) {
  LoopThread thread({.name = "busy", .loop = options()});
  thread.loop().submit([] {}).get();  // so that the loop runs
  DelayedCallback delayed([] {}, 1h, &thread.loop());
  EXPECT_THAT(error_of<std::logic_error>([&] { delayed.start(); }), HasSubstr("'busy'"));
  thread.loop().submit([&] { delayed.start(); }).get();
  EXPECT_THAT(error_of<std::logic_error>([&] { delayed.stop(); }), HasSubstr("'busy'"));
  EXPECT_THROW(delayed.start(), std::logic_error);
  EXPECT_TRUE(thread.loop().submit([&] { return delayed.is_running(); }).get());
  thread.stop();
  EXPECT_EQ(thread.join().timers_abandoned, 1u);
}

TEST_P(DelayedCallbackTest, IsStoppedByItsDestructorOnAnotherThreadToo) {
  LoopThread thread({.name = "busy", .loop = options()});
  const auto alive = std::make_shared<int>();
  std::optional<DelayedCallback> delayed(
      std::in_place, [alive] {}, 1h, &thread.loop());
  thread.loop().submit([&] { delayed->start(); }).get();
  delayed.reset();
  thread.loop().submit([] {}).get();
  EXPECT_EQ(alive.use_count(), 1);
  thread.stop();
  EXPECT_EQ(thread.join().timers_abandoned, 0u);
}

TEST_P(DelayedCallbackTest, IsHarmlessInAForkedChild) {
  std::optional<DelayedCallback> delayed(std::in_place, count(), 0s, &clocked_);
  delayed->start();
  const ChildResult child = run_in_child([&] {
    ZMQLOOP_CHILD_EXPECT(!delayed->is_running());
    ZMQLOOP_CHILD_EXPECT_THROW(delayed->start(), std::logic_error);
    delayed->stop();
    delayed.reset();
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
  run_clocked();
  EXPECT_EQ(calls_, 1);
}

}  // namespace
}  // namespace zmqloop::testing
