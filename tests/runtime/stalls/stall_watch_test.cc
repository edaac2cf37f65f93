// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The finds of a look at a loop, and when the next look is due, on a clock that the tests set.

#include "zmqloop/runtime/stalls/stall_watch.h"

#include <chrono>
#include <memory>
#include <string>
#include <typeinfo>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/threading/host/stack_capture.h"
#include "zmqloop/threading/host/thread_label.h"

namespace zmqloop::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using Found = StallWatch::Look::Found;

struct Callable {};
struct OtherCallable {};

class StallWatchTest : public ::testing::Test {
 protected:
  StallWatchTest() {
    stack_capture::install();
    set_threshold(50ms);
    watch_.probe().set_thread(current_thread_id());
  }

  void set_threshold(Duration threshold) {
    auto settings = std::make_shared<const StallWatch::Settings>(StallWatch::Settings{
        threshold, [this](const StallReport& report) { reports_.push_back(report); }});
    watch_.swap(settings);
  }

  void begin(Duration at) { watch_.probe().begin(typeid(Callable), kStart + at); }
  void end(Duration at) { watch_.probe().end(kStart + at); }
  // Looks, and reports the find.
  StallWatch::Look look(Duration at) {
    const StallWatch::Look look = watch_.look(kStart + at);
    if (look.found != Found::kNothing) watch_.deliver(look.found);
    return look;
  }
  // Makes a callable block, from `at` on, until the watch has noticed it or passed it over.
  Found stall(Duration at) {
    begin(at);
    const Found found = look(at + 50ms).found;
    end(at + 50ms);
    look(at + 50ms);
    return found;
  }
  bool was_woken() { return wake_up_.wait_until(TimePoint::min()); }

  static constexpr TimePoint kStart = TimePoint(1h);
  Semaphore wake_up_;
  StallWatch watch_{"watched", 3, wake_up_};
  std::vector<StallReport> reports_;
};

TEST_F(StallWatchTest, IsLookedAtWhenItsCallableWillHaveBlockedForTheThreshold) {
  begin(0ms);
  EXPECT_EQ(look(0ms).next, kStart + 50ms);
  EXPECT_EQ(look(20ms).next, kStart + 50ms);
  EXPECT_TRUE(reports_.empty());
  EXPECT_EQ(look(50ms).found, Found::kBegun);
}

TEST_F(StallWatchTest, ReportsAStallOnceWhileItLastsAndOnceAfter) {
  begin(0ms);
  EXPECT_EQ(look(60ms).found, Found::kBegun);
  EXPECT_EQ(look(70ms).next, TimePoint::max()) << "its end wakes the watchdog";
  EXPECT_EQ(look(10s).found, Found::kNothing);
  ASSERT_EQ(reports_.size(), 1u);
  EXPECT_EQ(reports_[0].loop_name, "watched");
  EXPECT_EQ(reports_[0].thread_id, current_thread_id());
  EXPECT_THAT(reports_[0].callable, HasSubstr("::Callable"));
  EXPECT_EQ(reports_[0].blocked_for, 60ms);
  EXPECT_FALSE(reports_[0].stack.empty()) << reports_[0].stack.text();
  EXPECT_FALSE(reports_[0].ended);
  EXPECT_FALSE(was_woken());

  end(9s);
  EXPECT_TRUE(was_woken());
  EXPECT_EQ(look(10s).found, Found::kEnded);
  EXPECT_EQ(look(20s).found, Found::kNothing);
  ASSERT_EQ(reports_.size(), 2u);
  EXPECT_TRUE(reports_[1].ended);
  EXPECT_EQ(reports_[1].blocked_for, 9s);
  EXPECT_EQ(reports_[1].callable, reports_[0].callable);
  EXPECT_EQ(reports_[1].stack.text(), reports_[0].stack.text());
}

TEST_F(StallWatchTest, MeasuresEachCallableForItself) {
  for (Duration at = 0ms; at < 1s; at += 1ms) {
    begin(at);
    EXPECT_EQ(look(at).found, Found::kNothing);
    EXPECT_EQ(look(at + 1ms).found, Found::kNothing);
    end(at + 1ms);
  }
  EXPECT_TRUE(reports_.empty());
}

TEST_F(StallWatchTest, TakesNoCallableForAnotherThatBeganAtTheSameTime) {
  begin(0ms);
  const StallProbe::View first = watch_.probe().look();
  end(0ms);
  watch_.probe().begin(typeid(OtherCallable), kStart);
  EXPECT_FALSE(watch_.probe().try_claim(first));
  EXPECT_EQ(look(1s).found, Found::kBegun);
  EXPECT_THAT(reports_.at(0).callable, HasSubstr("::OtherCallable"));
}

TEST_F(StallWatchTest, LeavesNoStackOfWhatCameAfter) {
  begin(0ms);
  const StallWatch::Look found = watch_.look(kStart + 50ms);
  ASSERT_EQ(found.found, Found::kBegun);
  end(60ms);
  begin(60ms);
  watch_.deliver(found.found);
  EXPECT_THAT(reports_.at(0).stack.text(), HasSubstr("it returned before its stack was taken"));
}

// ---- sleeping --------------------------------------------------------------------------------

TEST_F(StallWatchTest, IsNotLookedAtWhileItsLoopDoesNothing) {
  begin(0ms);
  end(0ms);
  EXPECT_EQ(look(10ms).next, kStart + 60ms) << "it has just done something";
  EXPECT_EQ(look(60ms).next, TimePoint::max());
  EXPECT_EQ(look(70ms).next, TimePoint::max());
  EXPECT_FALSE(was_woken());
  begin(80ms);
  EXPECT_TRUE(was_woken());
  EXPECT_EQ(look(80ms).next, kStart + 130ms);
}

TEST_F(StallWatchTest, DoesNotHaveABusyLoopWakeItUp) {
  begin(0ms);
  end(0ms);
  for (Duration at = 50ms; at < 1s; at += 50ms) {
    EXPECT_EQ(look(at).next, kStart + at + 50ms);
    begin(at + 1ms);
    end(at + 1ms);
  }
  EXPECT_FALSE(was_woken());
}

TEST_F(StallWatchTest, IsLookedAtOnceAMillisecondAtMost) {
  set_threshold(1ns);
  begin(0ms);
  end(0ms);
  EXPECT_EQ(look(1ms).next, kStart + 2ms);
  begin(2ms);
  EXPECT_EQ(look(2ms).next, kStart + 3ms);
}

TEST_F(StallWatchTest, TakesALongThresholdForNever) {
  set_threshold(Duration::max() - 1ns);
  begin(0ms);
  EXPECT_EQ(look(1h).next, TimePoint::max());
}

// ---- the limit -------------------------------------------------------------------------------

TEST_F(StallWatchTest, ReportsNoMoreStallsThanTheLimitInAMinute) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(stall(i * 1s), Found::kBegun);
  for (int i = 3; i < 59; ++i) EXPECT_EQ(stall(i * 1s), Found::kNothing);
  EXPECT_EQ(reports_.size(), 6u);
}

TEST_F(StallWatchTest, TellsInTheNextReportHowManyWereNotReported) {
  for (int i = 0; i < 8; ++i) stall(i * 1s);
  EXPECT_EQ(stall(61s), Found::kBegun);
  EXPECT_EQ(stall(62s), Found::kBegun);
  ASSERT_EQ(reports_.size(), 10u);
  for (std::size_t i = 0; i < reports_.size(); ++i) {
    EXPECT_EQ(reports_[i].suppressed, i == 6 ? 5u : 0u) << i;
  }
  EXPECT_THAT(reports_[6].text(), HasSubstr("stalls not reported before this one: 5\n"));
}

TEST_F(StallWatchTest, CountsAStallThatIsNotReportedOnce) {
  for (int i = 0; i < 3; ++i) stall(i * 1s);
  begin(10s);
  for (int i = 0; i < 40; ++i) EXPECT_EQ(look(10s + (i + 1) * 50ms).found, Found::kNothing);
  EXPECT_EQ(look(70s).found, Found::kNothing) << "it was passed over for good";
  end(70s);
  stall(80s);
  EXPECT_EQ(reports_.back().suppressed, 0u);
  EXPECT_EQ(reports_.at(6).suppressed, 1u);
}

TEST_F(StallWatchTest, HasNoLimitOfZero) {
  StallRateLimit limit(0);
  for (int i = 0; i < 1'000; ++i) {
    EXPECT_TRUE(limit.has_room(kStart));
    EXPECT_EQ(limit.use(kStart), 0u);
  }
}

// ---- ends of watching ------------------------------------------------------------------------

TEST_F(StallWatchTest, ForgetsAStallThatGoesOn) {
  begin(0ms);
  EXPECT_EQ(look(60ms).found, Found::kBegun);
  watch_.forget();
  end(70ms);
  EXPECT_FALSE(watch_.has_end_to_report());
  EXPECT_EQ(look(1h).found, Found::kNothing);
  EXPECT_EQ(reports_.size(), 1u);
}

TEST_F(StallWatchTest, WakesTheWatchdogForACallableItHadForgotten) {
  begin(0ms);
  watch_.forget();
  EXPECT_EQ(look(60ms).found, Found::kNothing);
  EXPECT_EQ(look(120ms).next, TimePoint::max()) << "nothing seems to run";
  end(120ms);
  EXPECT_TRUE(was_woken());
  begin(130ms);
  EXPECT_EQ(look(130ms).next, kStart + 180ms);
}

TEST_F(StallWatchTest, MeasuresTheRunningCallableByAChangedThreshold) {
  begin(0ms);
  EXPECT_EQ(look(10ms).found, Found::kNothing);
  set_threshold(20ms);
  EXPECT_EQ(look(20ms).found, Found::kBegun);
}

}  // namespace
}  // namespace zmqloop::testing
