// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Periodic callbacks: one chain of ticks, missed ticks, futures, and either the callback or its
// loop destroyed first.

#include "zmqloop/runtime/callbacks/periodic_callback.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/loop_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/runtime/callbacks/delayed_callback.h"
#include "zmqloop/runtime/pool/loop_thread.h"

namespace zmqloop::testing {
namespace {

using std::chrono::duration;
using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;

constexpr MissedTicks kPolicies[] = {MissedTicks::kSkip, MissedTicks::kBurst, MissedTicks::kDelay};

struct NamedCallable {
  void operator()() const { throw std::range_error("out of range"); }
};
struct NamedAsyncCallable {
  Future<void> operator()() const { return promise->get_future(); }
  Promise<void>* promise;
};

class PeriodicCallbackTest : public OnBothPollers {
 protected:
  static IOLoop::Options with_clock(FakeClock& clock, std::string name = "clocked") {
    IOLoop::Options result = options(std::move(name));
    result.clock = clock.function();
    return result;
  }
  static void run(IOLoop& loop) {
    loop.add_callback([&loop] { loop.stop(); });
    loop.start();
  }
  void run_clocked() { run(clocked_); }

  // Runs the loop until the time `end`, in steps of 0.25 ms. Callbacks may advance the clock too.
  void run_until(milliseconds end) {
    for (run_clocked(); clock_.now() < start_ + end; run_clocked()) clock_.advance(250us);
  }
  // Sets the clock without running the ticks it skips.
  void jump_to(milliseconds time) { clock_.set(start_ + time); }

  void tick() { ticks_.push_back(duration<double, std::milli>(clock_.now() - start_).count()); }
  auto ticking() {
    return [this] { tick(); };
  }
  // Returns a callable that ticks and takes each of the durations (ms) in turn, then no time.
  auto taking(std::vector<int> durations) {
    return [this, durations = std::move(durations)] {
      tick();
      if (ticks_.size() <= durations.size()) {
        clock_.advance(milliseconds(durations[ticks_.size() - 1]));
      }
    };
  }
  // Returns a callable that ticks and returns the future of a new last promise.
  auto promising() {
    return [this] {
      tick();
      return promises_.emplace_back().get_future();
    };
  }
  // Sets the last promise, and lets the loop notice.
  void keep_promise() {
    promises_.back().set_value();
    run_clocked();
  }

  FakeClock clock_;
  const TimePoint start_ = clock_.now();
  RecordingLoop clocked_{with_clock(clock_)};
  std::vector<double> ticks_;  // milliseconds
  std::vector<Promise<void>> promises_;
};
ZMQLOOP_ON_BOTH_POLLERS(PeriodicCallbackTest);

// ---- start and stop ----

TEST_P(PeriodicCallbackTest, TicksAtTheMultiplesOfItsPeriodAfterTheStart) {
  PeriodicCallback periodic(ticking(), 10ms, &clocked_);
  EXPECT_FALSE(periodic.is_running());
  run_until(25ms);
  EXPECT_THAT(ticks_, IsEmpty());
  periodic.start();
  EXPECT_TRUE(periodic.is_running());
  run_until(60ms);
  EXPECT_THAT(ticks_, ElementsAre(35, 45, 55));
}

TEST_P(PeriodicCallbackTest, NeverTicksEarlyByTheRealClock) {
  constexpr Duration kPeriod = 2ms;
  int ticks = 0;
  TimePoint start;
  PeriodicCallback periodic(
      [&] {
        ++ticks;
        EXPECT_GE(Clock::now(), start + ticks * kPeriod);
        if (ticks == 5) loop_.stop();
      },
      kPeriod, &loop_);
  start = Clock::now();
  periodic.start();
  loop_.start();
  EXPECT_EQ(ticks, 5);
}

TEST_P(PeriodicCallbackTest, StartedTwiceTicksOnce) {
  PeriodicCallback periodic(ticking(), 10ms, &clocked_);
  periodic.start();
  run_until(5ms);
  periodic.start();
  periodic.start();
  run_until(35ms);
  EXPECT_THAT(ticks_, ElementsAre(10, 20, 30)) << "and the first start counts";
  periodic.stop();
  run_until(100ms);
  EXPECT_EQ(ticks_.size(), 3u);
  EXPECT_EQ(clocked_.close().timers_abandoned, 0u);
}

TEST_P(PeriodicCallbackTest, StopsAtOnceAndAnyNumberOfTimes) {
  PeriodicCallback periodic(ticking(), 10ms, &clocked_);
  periodic.stop();
  periodic.start();
  run_until(10ms);
  periodic.stop();
  periodic.stop();
  EXPECT_FALSE(periodic.is_running());
  EXPECT_EQ(clocked_.close().timers_abandoned, 0u);
  EXPECT_THAT(ticks_, ElementsAre(10));
}

TEST_P(PeriodicCallbackTest, StoppedAndStartedCountsFromTheLastStart) {
  PeriodicCallback periodic(ticking(), 10ms, &clocked_);
  periodic.start();
  run_until(6ms);
  periodic.stop();
  periodic.start();
  run_until(40ms);
  EXPECT_THAT(ticks_, ElementsAre(16, 26, 36));
}

TEST_P(PeriodicCallbackTest, StoppedAndStartedByItsCallbackHasOneChainOfTicks) {
  std::optional<PeriodicCallback> periodic;
  periodic.emplace(
      [&] {
        tick();
        periodic->stop();
        EXPECT_FALSE(periodic->is_running());
        periodic->start();
        EXPECT_TRUE(periodic->is_running());
      },
      10ms, &clocked_);
  periodic->start();
  run_until(45ms);
  EXPECT_THAT(ticks_, ElementsAre(10, 20, 30, 40));
  periodic->stop();
  EXPECT_EQ(clocked_.close().timers_abandoned, 0u) << "no second chain";
}

TEST_P(PeriodicCallbackTest, StartedAgainByItsCallbackCountsFromThatStart) {
  std::optional<PeriodicCallback> periodic;
  periodic.emplace(
      [&] {
        tick();
        if (ticks_.size() > 1) return;
        clock_.advance(3ms);
        periodic->stop();
        periodic->start();
        clock_.advance(2ms);
      },
      10ms, &clocked_);
  periodic->start();
  run_until(35ms);
  EXPECT_THAT(ticks_, ElementsAre(10, 23, 33));
}

TEST_P(PeriodicCallbackTest, MayBeStoppedByItsCallback) {
  std::optional<PeriodicCallback> periodic;
  periodic.emplace(
      [&] {
        tick();
        periodic->stop();
      },
      10ms, &clocked_);
  periodic->start();
  run_until(35ms);
  EXPECT_THAT(ticks_, ElementsAre(10));
  periodic->start();
  run_until(60ms);
  EXPECT_THAT(ticks_, ElementsAre(10, 45));
}

TEST_P(PeriodicCallbackTest, MayBeStoppedByAnotherTimerOfTheSameIteration) {
  PeriodicCallback periodic(ticking(), 10ms, &clocked_);
  clocked_.add_timeout(9ms, [&] { periodic.stop(); });
  periodic.start();
  jump_to(1000ms);
  run_clocked();
  EXPECT_THAT(ticks_, IsEmpty());
}

TEST_P(PeriodicCallbackTest, IsRunningAlsoWhileItsCallbackRuns) {
  std::optional<PeriodicCallback> periodic;
  bool running = false;
  periodic.emplace([&] { running = periodic->is_running(); }, 10ms, &clocked_);
  periodic->start();
  run_until(10ms);
  EXPECT_TRUE(running);
  EXPECT_TRUE(periodic->is_running());
}

TEST_P(PeriodicCallbackTest, TakesANewPeriodWhenTheNextTickIsScheduled) {
  PeriodicCallback periodic(ticking(), 10ms, &clocked_);
  EXPECT_EQ(periodic.period(), 10ms);
  periodic.start();
  run_until(12ms);
  periodic.set_period(5ms);
  EXPECT_EQ(periodic.period(), 5ms);
  run_until(31ms);
  EXPECT_THAT(ticks_, ElementsAre(10, 20, 25, 30));
  EXPECT_THROW(periodic.set_period(0s), std::invalid_argument);
}

// ---- missed ticks, jumps of the clock, jitter ----

TEST_P(PeriodicCallbackTest, ReproducesTornadosTraceOfCallbacksThatTakeTime) {
  PeriodicCallback periodic(taking({9, 9, 10, 11, 20, 20, 35, 35, 0, 0}), 10ms, &clocked_);
  periodic.start();
  run_until(235ms);
  EXPECT_THAT(ticks_, ElementsAre(10, 20, 30, 50, 70, 100, 130, 170, 210, 220, 230));
}

TEST_P(PeriodicCallbackTest, Rel_J8_SkipsMissedTicksByDefault) {
  PeriodicCallback periodic(taking({25}), 10ms, &clocked_);
  periodic.start();
  run_until(65ms);
  EXPECT_THAT(ticks_, ElementsAre(10, 40, 50, 60));
}

TEST_P(PeriodicCallbackTest, MakesUpForMissedTicksOnePerIterationWithBurst) {
  PeriodicCallback periodic(taking({25}), 10ms, {.missed = MissedTicks::kBurst}, &clocked_);
  periodic.start();
  run_until(10ms);
  run_clocked();
  EXPECT_THAT(ticks_, ElementsAre(10, 35));
  run_clocked();
  EXPECT_THAT(ticks_, ElementsAre(10, 35, 35));
  run_clocked();
  run_until(55ms);
  EXPECT_THAT(ticks_, ElementsAre(10, 35, 35, 40, 50));
}

TEST_P(PeriodicCallbackTest, CountsAnewFromTheEndOfALateCallbackWithDelay) {
  PeriodicCallback periodic(taking({25}), 10ms, {.missed = MissedTicks::kDelay}, &clocked_);
  periodic.start();
  run_until(70ms);
  EXPECT_THAT(ticks_, ElementsAre(10, 45, 55, 65));
}

TEST_P(PeriodicCallbackTest, Rel_J9_TicksOnceForAJumpOfCenturiesAndGoesOnInPhase) {
  PeriodicCallback periodic(ticking(), 10ms, &clocked_);
  periodic.start();
  run_until(10ms);
  constexpr Duration kJump = std::chrono::hours(24 * 365 * 250);
  clock_.advance(kJump + 3ms);
  for (int i = 0; i < 5; ++i) run_clocked();
  EXPECT_EQ(ticks_.size(), 2u);
  clock_.advance(7ms - 1ns);
  run_clocked();
  EXPECT_EQ(ticks_.size(), 2u);
  clock_.advance(1ns);
  run_clocked();
  EXPECT_EQ(ticks_.size(), 3u);
}

TEST_P(PeriodicCallbackTest, NeverTicksTwiceForASlotWhenTheClockGoesBack) {
  for (const MissedTicks missed : kPolicies) {
    ticks_.clear();
    clock_.set(start_);
    PeriodicCallback periodic(
        [&] {
          tick();
          if (ticks_.size() == 2) clock_.advance(-15ms);  // to 5
        },
        10ms, {.missed = missed}, &clocked_);
    periodic.start();
    run_until(45ms);
    EXPECT_THAT(ticks_, ElementsAre(10, 20, 30, 40)) << "the slots at 10 and 20 were used";
  }
}

TEST_P(PeriodicCallbackTest, DrawsEachPeriodAnewWithJitter) {
  std::vector<TimePoint> times;
  PeriodicCallback periodic([&] { times.push_back(clock_.now()); }, 1ms, {.jitter = 0.5},
                            &clocked_);
  periodic.start();
  while (times.size() < 50) {
    clock_.advance(10us);
    run_clocked();
  }
  std::vector<Duration> periods;
  for (std::size_t i = 1; i < times.size(); ++i) periods.push_back(times[i] - times[i - 1]);
  const auto [least, most] = std::minmax_element(periods.begin(), periods.end());
  EXPECT_GE(*least, 740us);  // 750, seen in steps of 10
  EXPECT_LE(*most, 1260us);
  EXPECT_NE(*least, *most);
}

TEST_P(PeriodicCallbackTest, DrawsOtherPeriodsThanItsTwin) {
  std::vector<TimePoint> times[2];
  const auto noting = [this](std::vector<TimePoint>& into) {
    return [this, &into] { into.push_back(clock_.now()); };
  };
  PeriodicCallback first(noting(times[0]), 1ms, {.jitter = 1}, &clocked_);
  PeriodicCallback second(noting(times[1]), 1ms, {.jitter = 1}, &clocked_);
  first.start();
  second.start();
  for (int i = 0; i < 2'000; ++i) {
    clock_.advance(10us);
    run_clocked();
  }
  EXPECT_NE(times[0], times[1]);
}

// ---- parameters and callables ----

TEST_P(PeriodicCallbackTest, RefusesPeriodsThatAreNotAboveZeroAndNamesThem) {
  const auto refusal = [this](auto period) {
    return error_of<std::invalid_argument>(
        [&] { PeriodicCallback(ticking(), AnyPeriod(period), &clocked_); });
  };
  EXPECT_THAT(refusal(0ms), AllOf(HasSubstr("PeriodicCallback"), HasSubstr("period is 0 s")));
  EXPECT_THAT(refusal(-1ms), HasSubstr("period is -0.001 s"));
  EXPECT_THAT(refusal(duration<double>(std::nan(""))), HasSubstr("period is nan s"));
}

TEST_P(PeriodicCallbackTest, RefusesJitterOutsideOfZeroToOneAndNamesIt) {
  const auto refusal = [this](double jitter) {
    return error_of<std::invalid_argument>(
        [&] { PeriodicCallback(ticking(), 1s, {.jitter = jitter}, &clocked_); });
  };
  EXPECT_THAT(refusal(1.25), AllOf(HasSubstr("PeriodicCallback"), HasSubstr("jitter is 1.25;")));
  EXPECT_THAT(refusal(-1), HasSubstr("jitter is -1;"));
  EXPECT_THAT(refusal(std::nan("")), HasSubstr("jitter is nan;"));
}

TEST_P(PeriodicCallbackTest, TakesCallablesOfAnyKindAndRefusesNull) {
  static int function_calls;
  function_calls = 0;
  int calls = 0;
  PeriodicCallback function(
      +[] { ++function_calls; }, 10ms, &clocked_);
  PeriodicCallback move_only([&calls, one = std::make_unique<int>(1)] { calls += *one; }, 10ms, {},
                             &clocked_);
  PeriodicCallback returning([&calls] { return ++calls; }, duration<double>(0.01), &clocked_);
  function.start();
  move_only.start();
  returning.start();
  run_until(25ms);
  EXPECT_EQ(function_calls, 2);
  EXPECT_EQ(calls, 4);

  void (*const null)() = nullptr;
  EXPECT_THAT(error_of<std::invalid_argument>([&] { PeriodicCallback(null, 1s, &clocked_); }),
              HasSubstr("PeriodicCallback"));
  EXPECT_THROW(PeriodicCallback(std::function<void()>(), 1s, &clocked_), std::invalid_argument);
  static_assert(!std::is_constructible_v<PeriodicCallback, void (*)(int), Duration>);
  static_assert(!std::is_constructible_v<PeriodicCallback, void (*)(), int>);
}

TEST_P(PeriodicCallbackTest, UsesTheLoopThatIsCurrentAtEachStart) {
  PeriodicCallback periodic(ticking(), 10ms);
  RecordingLoop other(with_clock(clock_, "other"));
  clocked_.make_current();
  periodic.start();
  other.make_current();
  clock_.advance(10ms);
  run(other);
  EXPECT_THAT(ticks_, IsEmpty());
  run_clocked();
  EXPECT_THAT(ticks_, ElementsAre(10));
  periodic.stop();
  periodic.start();
  clock_.advance(10ms);
  run_clocked();
  EXPECT_THAT(ticks_, ElementsAre(10));
  run(other);
  EXPECT_THAT(ticks_, ElementsAre(10, 20));
}

// ---- exceptions ----

TEST_P(PeriodicCallbackTest, HandsExceptionsToTheLoopAndTicksOn) {
  PeriodicCallback periodic(
      [&] {
        tick();
        throw std::runtime_error("tick " + std::to_string(ticks_.size()));
      },
      10ms, &clocked_);
  periodic.start();
  run_until(35ms);
  EXPECT_THAT(ticks_, ElementsAre(10, 20, 30));
  ASSERT_EQ(clocked_.errors.size(), 3u);
  EXPECT_EQ(clocked_.what(0), "tick 1");
  EXPECT_EQ(clocked_.what(2), "tick 3");
  EXPECT_TRUE(periodic.is_running());
}

TEST_P(PeriodicCallbackTest, StaysStoppedIfItsCallbackStopsItAndThrows) {
  std::optional<PeriodicCallback> periodic;
  periodic.emplace(
      [&] {
        tick();
        periodic->stop();
        throw std::runtime_error("stopped");
      },
      10ms, &clocked_);
  periodic->start();
  run_until(35ms);
  EXPECT_THAT(ticks_, ElementsAre(10));
  EXPECT_EQ(clocked_.errors.size(), 1u);
  EXPECT_FALSE(periodic->is_running());
}

TEST_P(PeriodicCallbackTest, TicksOnWhenAnExceptionHasLeftTheLoopAndThatIsStartedAgain) {
  clocked_.escape = true;
  PeriodicCallback periodic(
      [&] {
        tick();
        throw std::runtime_error("out");
      },
      10ms, &clocked_);
  periodic.start();
  for (int i = 0; i < 2; ++i) {
    clock_.advance(10ms);
    EXPECT_THROW(clocked_.start(), std::runtime_error);
  }
  EXPECT_THAT(ticks_, ElementsAre(10, 20));
}

TEST_P(PeriodicCallbackTest, NamesItsCallableWhenThatThrowsNowOrLater) {
  IOLoop loop(with_clock(clock_, "talkative"));
  const auto says = AllOf(HasSubstr("NamedCallable: std::range_error"), HasSubstr("'talkative'"));
  PeriodicCallback periodic(NamedCallable{}, 10ms, &loop);
  periodic.start();
  clock_.advance(10ms);
  ::testing::internal::CaptureStderr();
  run(loop);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), says);
  periodic.stop();

  Promise<void> promise;
  PeriodicCallback async(NamedAsyncCallable{&promise}, 10ms, &loop);
  async.start();
  clock_.advance(10ms);
  run(loop);
  promise.set_exception(std::make_exception_ptr(std::range_error("later")));
  ::testing::internal::CaptureStderr();
  run(loop);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("NamedAsyncCallable: std::range_error: later"));
}

// ---- futures ----

TEST_P(PeriodicCallbackTest, WaitsForTheTaskOfItsCallback) {
  const auto sleepy = [](std::size_t call) -> Task<void> {
    co_await sleep_for(25ms);  // by the loop's clock, which the test sets: no thread sleeps
    if (call == 2) throw std::runtime_error("second");
  };
  PeriodicCallback periodic(
      [&] {
        tick();
        return sleepy(ticks_.size());
      },
      10ms, &clocked_);
  periodic.start();
  run_until(95ms);
  EXPECT_THAT(ticks_, ElementsAre(10, 40, 70));
  ASSERT_EQ(clocked_.errors.size(), 1u);
  EXPECT_EQ(clocked_.what(0), "second");
}

TEST_P(PeriodicCallbackTest, WaitsForTheFutureOfItsCallbackAndSkipsWhatIsMissed) {
  PeriodicCallback periodic(promising(), 10ms, &clocked_);
  periodic.start();
  run_until(35ms);
  EXPECT_THAT(ticks_, ElementsAre(10)) << "calls must not overlap";
  EXPECT_TRUE(periodic.is_running());
  keep_promise();
  run_until(45ms);
  EXPECT_THAT(ticks_, ElementsAre(10, 40));
  keep_promise();
  run_until(55ms);
  EXPECT_THAT(ticks_, ElementsAre(10, 40, 50));
}

TEST_P(PeriodicCallbackTest, TreatsTicksMissedByFuturesAsItWasTold) {
  PeriodicCallback burst(promising(), 10ms, {.missed = MissedTicks::kBurst}, &clocked_);
  burst.start();
  run_until(35ms);
  keep_promise();
  run_clocked();
  EXPECT_THAT(ticks_, ElementsAre(10, 35));
  keep_promise();
  run_clocked();
  EXPECT_THAT(ticks_, ElementsAre(10, 35, 35));
  burst.stop();

  ticks_.clear();
  clock_.set(start_);
  PeriodicCallback delay(promising(), 10ms, {.missed = MissedTicks::kDelay}, &clocked_);
  delay.start();
  run_until(35ms);
  keep_promise();
  run_until(50ms);
  EXPECT_THAT(ticks_, ElementsAre(10, 45));
}

TEST_P(PeriodicCallbackTest, GoesOnAtOnceFromAFutureThatIsReady) {
  PeriodicCallback periodic(
      [&] {
        tick();
        Promise<int> promise;
        promise.set_value(7);
        return promise.get_future();
      },
      10ms, &clocked_);
  periodic.start();
  const auto run_before = clocked_.stats().callbacks_run;
  clock_.advance(10ms);
  run_clocked();
  EXPECT_EQ(clocked_.stats().callbacks_run, run_before + 1) << "the stop alone was posted";
  run_until(35ms);
  EXPECT_THAT(ticks_, ElementsAre(10, 20, 30));
}

TEST_P(PeriodicCallbackTest, HandsWhatFuturesHoldInsteadOfAValueToTheLoopAndTicksOn) {
  PeriodicCallback periodic(promising(), 10ms, &clocked_);
  periodic.start();
  run_until(10ms);
  promises_.back().set_exception(std::make_exception_ptr(std::runtime_error("refused")));
  run_until(20ms);
  promises_.back() = Promise<void>();  // breaks the promise
  run_until(30ms);
  ASSERT_EQ(clocked_.errors.size(), 2u);
  EXPECT_EQ(clocked_.what(0), "refused");
  EXPECT_THROW(std::rethrow_exception(clocked_.errors[1]), BrokenPromiseError);
  EXPECT_THAT(ticks_, ElementsAre(10, 20, 30));
}

TEST_P(PeriodicCallbackTest, HandsTheExceptionOfAFutureThatIsReadyToTheLoopAndTicksOn) {
  PeriodicCallback periodic(
      [&] {
        tick();
        Promise<void> promise;
        promise.set_exception(std::make_exception_ptr(std::runtime_error("at once")));
        return promise.get_future();
      },
      10ms, &clocked_);
  periodic.start();
  run_until(25ms);
  EXPECT_THAT(ticks_, ElementsAre(10, 20));
  ASSERT_EQ(clocked_.errors.size(), 2u);
  EXPECT_EQ(clocked_.what(1), "at once");
}

TEST_P(PeriodicCallbackTest, ReportsAnEmptyFutureAndTicksOn) {
  PeriodicCallback periodic(
      [&] {
        tick();
        return Future<void>();
      },
      10ms, &clocked_);
  periodic.start();
  run_until(25ms);
  EXPECT_THAT(ticks_, ElementsAre(10, 20));
  ASSERT_EQ(clocked_.errors.size(), 2u);
  EXPECT_THROW(std::rethrow_exception(clocked_.errors[0]), std::logic_error);
}

TEST_P(PeriodicCallbackTest, TakesFuturesOfWhatCanOnlyBeMoved) {
  Promise<std::unique_ptr<int>> promise;
  PeriodicCallback periodic(
      [&] {
        tick();
        promise = Promise<std::unique_ptr<int>>();
        return promise.get_future();
      },
      10ms, &clocked_);
  periodic.start();
  run_until(10ms);
  promise.set_value(std::make_unique<int>(1));
  run_until(25ms);
  EXPECT_THAT(ticks_, ElementsAre(10, 20));
  EXPECT_THAT(clocked_.errors, IsEmpty());
}

TEST_P(PeriodicCallbackTest, LeavesTheValueOfAFutureToOthers) {
  Promise<std::string> promise;
  const Future<std::string> mine = promise.get_future();
  PeriodicCallback periodic([&] { return promise.get_future(); }, 10ms, &clocked_);
  periodic.start();
  run_until(10ms);
  promise.set_value("for everyone");
  run_until(25ms);
  EXPECT_EQ(mine.get(), "for everyone");
}

TEST_P(PeriodicCallbackTest, StaysStoppedIfItWasStoppedWhileItWaitedForAFuture) {
  PeriodicCallback periodic(promising(), 10ms, &clocked_);
  periodic.start();
  run_until(10ms);
  periodic.stop();
  EXPECT_FALSE(periodic.is_running());
  keep_promise();
  run_until(100ms);
  EXPECT_THAT(ticks_, ElementsAre(10));
  EXPECT_EQ(clocked_.close().timers_abandoned, 0u);
}

TEST_P(PeriodicCallbackTest, StartedAgainWhileItWaitsForAFutureNeitherOverlapsNorTicksTwice) {
  PeriodicCallback periodic(promising(), 10ms, &clocked_);
  periodic.start();
  run_until(13ms);
  periodic.stop();
  periodic.start();
  run_until(43ms);
  EXPECT_THAT(ticks_, ElementsAre(10)) << "the first call is not over";
  keep_promise();
  run_until(60ms);
  EXPECT_THAT(ticks_, ElementsAre(10, 53)) << "in phase with the last start";
  keep_promise();
  periodic.stop();
  EXPECT_EQ(clocked_.close().timers_abandoned, 0u) << "no second chain";
}

TEST_P(PeriodicCallbackTest, ReportsAFutureThatFailsAfterItWasStoppedOrDestroyed) {
  std::optional<PeriodicCallback> periodic(std::in_place, promising(), 10ms, &clocked_);
  periodic->start();
  run_until(10ms);
  periodic->stop();
  promises_.back().set_exception(std::make_exception_ptr(std::runtime_error("stopped")));
  run_clocked();
  periodic->start();
  run_until(20ms);
  periodic.reset();
  promises_.back().set_exception(std::make_exception_ptr(std::runtime_error("destroyed")));
  run_clocked();
  ASSERT_EQ(clocked_.errors.size(), 2u);
  EXPECT_EQ(clocked_.what(0), "stopped");
  EXPECT_EQ(clocked_.what(1), "destroyed");
}

TEST_P(PeriodicCallbackTest, KeepsItsCallableUntilTheFutureItWaitsForIsReady) {
  const auto alive = std::make_shared<int>();
  std::optional<PeriodicCallback> periodic;
  periodic.emplace([alive, ask = promising()] { return ask(); }, 10ms, &clocked_);
  periodic->start();
  run_until(10ms);
  periodic.reset();
  EXPECT_EQ(alive.use_count(), 2) << "a call that is running keeps what it needs";
  keep_promise();
  run_until(35ms);
  EXPECT_EQ(alive.use_count(), 1);
  EXPECT_THAT(ticks_, ElementsAre(10));
}

TEST_P(PeriodicCallbackTest, MayBeDestroyedByItsCallbackThatReturnsAFuture) {
  std::optional<PeriodicCallback> periodic;
  periodic.emplace(
      [&, ask = promising()] {
        auto future = ask();
        periodic.reset();
        return future;
      },
      10ms, &clocked_);
  periodic->start();
  run_until(10ms);
  keep_promise();
  run_until(35ms);
  EXPECT_EQ(promises_.size(), 1u);
}

TEST_P(PeriodicCallbackTest, TakesFuturesThatBecomeReadyOnOtherThreads) {
  std::atomic<int> in_flight{0};
  LoopThread worker({.name = "worker", .loop = options()});
  int calls = 0;
  const auto here = std::this_thread::get_id();
  PeriodicCallback periodic(
      [&] {
        EXPECT_EQ(std::this_thread::get_id(), here);
        EXPECT_EQ(in_flight++, 0) << "calls must not overlap";
        if (++calls == 100) loop_.stop();
        return worker.loop().submit([&] { --in_flight; });
      },
      1us, &loop_);
  periodic.start();
  loop_.start();
  EXPECT_EQ(calls, 100);
}

TEST_P(PeriodicCallbackTest, MayGoWithItsLoopWhileAnotherThreadMakesItsFutureReady) {
  for (int round = 0; round < 100; ++round) {
    Promise<void> promise;
    std::thread other;
    {
      IOLoop loop(options("gone"));
      PeriodicCallback periodic(
          [&] {
            loop.stop();
            other = std::thread([&promise] { promise.set_value(); });
            return promise.get_future();
          },
          1ns, &loop);
      periodic.start();
      loop.start();
    }
    other.join();
  }
}

TEST_P(PeriodicCallbackTest, IsNotStartedOnAnotherLoopUntilTheFutureOfTheFirstIsReady) {
  RecordingLoop other(with_clock(clock_, "other"));
  PeriodicCallback periodic(promising(), 10ms);
  clocked_.make_current();
  periodic.start();
  run_until(10ms);
  periodic.stop();
  other.make_current();
  EXPECT_THAT(
      error_of<std::logic_error>([&] { periodic.start(); }),
      AllOf(HasSubstr("PeriodicCallback::start"), HasSubstr("'clocked'"), HasSubstr("'other'")));
  keep_promise();
  periodic.start();
  clock_.advance(10ms);
  run(other);
  EXPECT_THAT(ticks_, ElementsAre(10, 20));
}

TEST_P(PeriodicCallbackTest, CanBeStartedOnAnotherLoopWhenTheOneItWaitedOnIsGone) {
  PeriodicCallback periodic(promising(), 10ms);
  {
    IOLoop gone(with_clock(clock_, "gone"));
    gone.make_current();
    periodic.start();
    clock_.advance(10ms);
    run(gone);
    EXPECT_THAT(ticks_, ElementsAre(10));
  }
  EXPECT_FALSE(periodic.is_running());
  clocked_.make_current();
  periodic.start();
  IOLoop::clear_current();
  promises_.back().set_value();
  run_until(20ms);
  EXPECT_THAT(ticks_, ElementsAre(10, 20));
}

// ---- order of destruction ----

TEST_P(PeriodicCallbackTest, IsStoppedByItsDestructor) {
  const auto alive = std::make_shared<int>();
  {
    PeriodicCallback periodic([this, alive] { tick(); }, 10ms, &clocked_);
    periodic.start();
    run_until(10ms);
  }
  EXPECT_EQ(alive.use_count(), 1);
  run_until(100ms);
  EXPECT_THAT(ticks_, ElementsAre(10));
  EXPECT_EQ(clocked_.close().timers_abandoned, 0u);
}

TEST_P(PeriodicCallbackTest, MayBeDestroyedByItsOwnCallbackAlsoIfThatThrows) {
  for (const bool throws : {false, true}) {
    auto alive = std::make_shared<std::string>("still here");
    const std::weak_ptr<std::string> watch = alive;
    std::optional<PeriodicCallback> periodic;
    periodic.emplace(
        [&, throws, alive = std::move(alive)] {
          periodic.reset();
          EXPECT_EQ(*alive, "still here");
          if (throws) throw std::runtime_error("gone");
        },
        10ms, &clocked_);
    periodic->start();
    clock_.advance(10ms);
    run_clocked();
    EXPECT_TRUE(watch.expired());
    EXPECT_EQ(clocked_.errors.size(), throws ? 1u : 0u);
  }
  EXPECT_EQ(clocked_.close().timers_abandoned, 0u);
}

TEST_P(PeriodicCallbackTest, OutlivesAClosedLoop) {
  PeriodicCallback periodic(ticking(), 10ms, &clocked_);
  periodic.start();
  EXPECT_EQ(clocked_.close().timers_abandoned, 1u);
  EXPECT_FALSE(periodic.is_running());
  periodic.stop();
  EXPECT_THROW(periodic.start(), LoopClosedError);
}

TEST_P(PeriodicCallbackTest, OutlivesADestroyedLoop) {
  std::optional<IOLoop> gone(std::in_place, options("gone"));
  PeriodicCallback started([] {}, 10ms, &*gone);
  PeriodicCallback not_started([] {}, 10ms, &*gone);
  started.start();
  gone.reset();
  EXPECT_FALSE(started.is_running());
  started.stop();
  EXPECT_THAT(error_of<LoopClosedError>([&] { started.start(); }),
              AllOf(HasSubstr("PeriodicCallback::start"), HasSubstr("loop 'gone' is closed")));
  EXPECT_THROW(not_started.start(), LoopClosedError);
}

TEST_P(PeriodicCallbackTest, MayBeOwnedByACallbackOfTheLoopThatIsDestroyed) {
  {
    IOLoop loop(options());
    const auto posted = std::make_shared<PeriodicCallback>(ticking(), 10ms, &loop);
    const auto armed = std::make_shared<PeriodicCallback>(ticking(), 10ms, &loop);
    posted->start();
    armed->start();
    loop.add_callback([posted] {});
    loop.add_timeout(1h, [armed] {});
  }
  EXPECT_THAT(ticks_, IsEmpty());
}

// ---- threads ----

TEST_P(PeriodicCallbackTest, IsRefusedOnAnotherThreadWhileTheLoopRuns) {
  LoopThread thread({.name = "busy", .loop = options()});
  thread.loop().submit([] {}).get();  // so that the loop runs
  PeriodicCallback periodic([] {}, 1h, &thread.loop());
  EXPECT_THAT(error_of<std::logic_error>([&] { periodic.start(); }), HasSubstr("'busy'"));
  thread.loop().submit([&] { periodic.start(); }).get();
  EXPECT_THAT(error_of<std::logic_error>([&] { periodic.stop(); }), HasSubstr("'busy'"));
  EXPECT_TRUE(thread.loop().submit([&] { return periodic.is_running(); }).get());
  thread.stop();
  EXPECT_EQ(thread.join().timers_abandoned, 1u);
}

// It ticks all the time, so that the destructor meets a tick once in many rounds.
TEST_P(PeriodicCallbackTest, IsStoppedByItsDestructorOnAnotherThreadToo) {
  LoopThread thread({.name = "busy", .loop = options()});
  const auto alive = std::make_shared<int>();
  for (int round = 0; round < 100; ++round) {
    std::atomic<bool> ticked = false;
    std::optional<PeriodicCallback> periodic(
        std::in_place, [alive, &ticked] { ticked = true; }, 1us, &thread.loop());
    thread.loop().submit([&] { periodic->start(); }).get();
    while (!ticked) std::this_thread::yield();
    periodic.reset();
    thread.loop().submit([] {}).get();
    EXPECT_EQ(alive.use_count(), 1);
  }
  thread.stop();
  EXPECT_EQ(thread.join().timers_abandoned, 0u);
}

TEST_P(PeriodicCallbackTest, IsHarmlessInAForkedChild) {
  std::optional<PeriodicCallback> periodic(std::in_place, ticking(), 10ms, &clocked_);
  periodic->start();
  const ChildResult child = run_in_child([&] {
    ZMQLOOP_CHILD_EXPECT(!periodic->is_running());
    ZMQLOOP_CHILD_EXPECT_THROW(periodic->start(), std::logic_error);
    periodic->stop();
    periodic.reset();
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
  run_until(25ms);
  EXPECT_THAT(ticks_, ElementsAre(10, 20));
}

// The child exits once the callback has returned and start() has thrown.
TEST_P(PeriodicCallbackTest, EndsQuietlyInAChildThatItsCallbackForks) {
  const pid_t parent = ::getpid();
  pid_t child = -1;
  PeriodicCallback periodic(
      [&] {
        tick();
        if (child == -1) child = fork_at_rest();
      },
      10ms, &clocked_);
  periodic.start();
  clock_.advance(10ms);
  int code = 1;
  try {
    run_clocked();
  } catch (const std::logic_error&) {
    code = clocked_.errors.empty() && !periodic.is_running() ? 0 : 2;
  }
  if (::getpid() != parent) ::_exit(code);
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  run_until(25ms);
  EXPECT_THAT(ticks_, ElementsAre(10, 20));
}

// ---- an instance that nobody runs ----

// Makes an instance with a fake clock in a child process and calls `f(clock)` there. Returns the
// output to standard error.
template <class F>
std::string complaints_of(F f) {
  const ChildResult child = run_in_child([&] {
    FakeClock clock;
    IOLoop loop(LoopOptions{.clock = clock.function()});
    loop.install();
    f(clock);
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
  return child.error_output;
}

TEST(TimersOfAnInstanceThatNobodyRuns, SayOnceThatTheyWereNeverCalled) {
  EXPECT_THAT(complaints_of([](FakeClock& clock) {
                for (int i = 0; i < 2; ++i) {
                  PeriodicCallback periodic([] {}, milliseconds(10));
                  periodic.start();
                  clock.advance(milliseconds(10));
                }
              }),
              MatchesRegex("zmqloop: a PeriodicCallback was due and never called: [^\n]*"
                           "IOLoop::instance\\(\\), which nobody has run[^\n]*\n"));
  EXPECT_THAT(complaints_of([](FakeClock& clock) {
                DelayedCallback delayed([] {}, milliseconds(10));
                delayed.start();
                clock.advance(milliseconds(10));
              }),
              HasSubstr("a DelayedCallback was due and never called"));
}

TEST(TimersOfAnInstanceThatNobodyRuns, SayNothingIfTheyWereNotDueOrStoppedOrAreAnotherLoops) {
  EXPECT_EQ(complaints_of([](FakeClock& clock) {
              PeriodicCallback early([] {}, milliseconds(10));
              early.start();
              clock.advance(milliseconds(9));
            }),
            "");
  EXPECT_EQ(complaints_of([](FakeClock& clock) {
              PeriodicCallback stopped([] {}, milliseconds(10));
              stopped.start();
              clock.advance(milliseconds(20));
              stopped.stop();
            }),
            "");
  EXPECT_EQ(complaints_of([](FakeClock& clock) {
              PeriodicCallback chosen([] {}, milliseconds(10), &IOLoop::instance());
              chosen.start();
              clock.advance(milliseconds(20));
            }),
            "");
}

TEST(TimersOfAnInstanceThatNobodyRuns, SayNothingIfSomebodyRunsItLater) {
  EXPECT_EQ(complaints_of([](FakeClock& clock) {
              PeriodicCallback periodic([] {}, milliseconds(10));
              periodic.start();
              clock.advance(milliseconds(20));
              IOLoop::instance().run_sync([] {});
            }),
            "");
}

}  // namespace
}  // namespace zmqloop::testing
