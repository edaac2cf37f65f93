// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The arithmetic of periodic callbacks: slots, missed slots, jitter, and both ends of time.

#include "zmqloop/runtime/callbacks/periodic_schedule.h"

#include <chrono>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/loop_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace zmqloop::testing {
namespace {

using std::chrono::duration;
using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr MissedTicks kPolicies[] = {MissedTicks::kSkip, MissedTicks::kBurst, MissedTicks::kDelay};

using Milliseconds = duration<double, std::milli>;

TimePoint at(Milliseconds ms) { return to_time_point(TimePoint(to_duration(ms))); }
double ms(TimePoint when) { return Milliseconds(when.time_since_epoch()).count(); }
TimePoint ticks(Duration::rep count) { return TimePoint(Duration(count)); }

// Starts at `start` and returns the times of all ticks and of the next one. Tick i's callback takes
// callbacks_take[i]. A deadline in the past runs at once.
std::vector<double> trace(const PeriodicSchedule& schedule, Milliseconds start,
                          const std::vector<double>& callbacks_take) {
  TimePoint now = at(start);
  TimePoint deadline = schedule.next(now, now, 0.5);
  std::vector<double> result;
  for (const double takes : callbacks_take) {
    now = std::max(now, deadline);
    result.push_back(ms(now));
    now += to_duration(Milliseconds(takes));
    deadline = schedule.next(deadline, now, 0.5);
  }
  result.push_back(ms(std::max(now, deadline)));
  return result;
}

TEST(PeriodicSchedule, ReproducesTornadosTraceOfCallbacksThatTakeTime) {
  EXPECT_THAT(trace(PeriodicSchedule(10ms), 1000ms, {9, 9, 10, 11, 20, 20, 35, 35, 0, 0}),
              ElementsAre(1010, 1020, 1030, 1050, 1070, 1100, 1130, 1170, 1210, 1220, 1230));
}

TEST(PeriodicSchedule, ReproducesTornadosTraceOfJitter) {
  const PeriodicSchedule schedule(10ms, 0.5);
  TimePoint deadline = at(1000ms);
  std::vector<double> deadlines;
  for (const double draw : {.5, 1., 0., .75}) {
    deadline = schedule.next(deadline, deadline, draw);
    deadlines.push_back(ms(deadline));
  }
  EXPECT_THAT(deadlines, ElementsAre(1010, 1022.5, 1030, 1041.25));
}

TEST(PeriodicSchedule, TreatsMissedTicksAsItsPoliciesAreDocumented) {
  const std::vector<double> takes = {25, 0, 0, 0};
  EXPECT_THAT(trace(PeriodicSchedule(10ms, 0, MissedTicks::kSkip), 0ms, takes),
              ElementsAre(10, 40, 50, 60, 70));
  EXPECT_THAT(trace(PeriodicSchedule(10ms, 0, MissedTicks::kBurst), 0ms, takes),
              ElementsAre(10, 35, 35, 40, 50));
  EXPECT_THAT(trace(PeriodicSchedule(10ms, 0, MissedTicks::kDelay), 0ms, takes),
              ElementsAre(10, 45, 55, 65, 75));
}

TEST(PeriodicSchedule, CountsASlotAsMissedFromItsVeryMoment) {
  const TimePoint last = at(10ms);
  const auto next = [&](MissedTicks missed, TimePoint now) {
    return PeriodicSchedule(10ms, 0, missed).next(last, now, 0.5);
  };
  for (const MissedTicks missed : kPolicies) {
    EXPECT_EQ(next(missed, at(20ms) - 1ns), at(20ms));
  }
  EXPECT_EQ(next(MissedTicks::kSkip, at(20ms)), at(30ms));
  EXPECT_EQ(next(MissedTicks::kBurst, at(20ms)), at(20ms));
  EXPECT_EQ(next(MissedTicks::kDelay, at(20ms)), at(30ms));
  EXPECT_EQ(next(MissedTicks::kSkip, at(20ms) + 1ns), at(30ms));
  EXPECT_EQ(next(MissedTicks::kDelay, at(20ms) + 1ns), at(30ms) + 1ns);
}

TEST(PeriodicSchedule, DoesNotDriftWithWhatCallbacksTake) {
  for (const MissedTicks missed : kPolicies) {
    const PeriodicSchedule schedule(10ms, 0, missed);
    TimePoint deadline = at(0ms);
    for (int i = 1; i <= 1'000; ++i) {
      deadline = schedule.next(deadline, deadline + 7ms, 0.5);
      ASSERT_EQ(deadline, at(10ms * i));
    }
  }
}

// A loop over the missed slots would itself take centuries.
TEST(PeriodicSchedule, PassesAJumpOfCenturiesInOneStep) {
  const TimePoint last = ticks(5);
  const TimePoint now = last + std::chrono::hours(24 * 365 * 250) + 1ns;
  EXPECT_EQ(PeriodicSchedule(1ns).next(last, now, 0.5), now + 1ns);
  EXPECT_EQ(PeriodicSchedule(3ns).next(last, now, 0.5), now + 2ns);
  EXPECT_EQ(PeriodicSchedule(1h).next(last, now, 0.5), now + 1h - 1ns) << "in phase";
  EXPECT_EQ(PeriodicSchedule(1ns, 0, MissedTicks::kBurst).next(last, now, 0.5), last + 1ns);
  EXPECT_EQ(PeriodicSchedule(1ns, 0, MissedTicks::kDelay).next(last, now, 0.5), now + 1ns);
  const TimePoint first = TimePoint::min();
  const TimePoint end = TimePoint::max() - 10ns;
  EXPECT_EQ(PeriodicSchedule(7ns).next(first, end, 0.5), end + 2ns) << "2^64 - 11 is 5 modulo 7";
}

TEST(PeriodicSchedule, NeverUsesASlotTwiceWhenTheClockGoesBack) {
  for (const MissedTicks missed : kPolicies) {
    const PeriodicSchedule schedule(10ms, 0, missed);
    EXPECT_EQ(schedule.next(at(1000ms), at(999ms), 0.5), at(1010ms));
    EXPECT_EQ(schedule.next(at(1000ms), at(0ms), 0.5), at(1010ms));
    EXPECT_EQ(schedule.next(at(1000ms), TimePoint::min(), 0.5), at(1010ms));
  }
}

TEST(PeriodicSchedule, IsLaterThanTheLastDeadlineAndThanNowUpToTheEndsOfTime) {
  constexpr Duration::rep kMin = std::numeric_limits<Duration::rep>::min();
  constexpr Duration::rep kMax = std::numeric_limits<Duration::rep>::max();
  constexpr Duration::rep kTimes[] = {kMin, kMin + 1, -1, 0, 1, kMax / 2, kMax - 2, kMax - 1};
  for (const Duration::rep period : {Duration::rep{1}, Duration::rep{2}, kMax / 2, kMax - 1}) {
    for (const double jitter : {0., .3, 1.}) {
      for (const MissedTicks missed : kPolicies) {
        const PeriodicSchedule schedule(Duration(period), jitter, missed);
        for (const Duration::rep last : kTimes) {
          for (const Duration::rep now : kTimes) {
            for (const double draw : {0., .5, 1.}) {
              const TimePoint next = schedule.next(ticks(last), ticks(now), draw);
              ASSERT_GT(next, ticks(last));
              if (missed != MissedTicks::kBurst) {
                ASSERT_GT(next, ticks(now));
              }
            }
          }
        }
      }
    }
  }
}

TEST(PeriodicSchedule, SaturatesAtNever) {
  for (const MissedTicks missed : kPolicies) {
    const PeriodicSchedule schedule(1h, 0, missed);
    EXPECT_EQ(schedule.next(TimePoint::max() - 1ns, TimePoint::max() - 1ns, 0.5), TimePoint::max());
    EXPECT_EQ(schedule.next(TimePoint::max(), TimePoint::max(), 0.5), TimePoint::max());
    EXPECT_EQ(schedule.next(TimePoint::max(), at(0ms), 0.5), TimePoint::max());
  }
}

TEST(PeriodicSchedule, NeverTicksWithAPeriodOfNeverWhateverTheJitter) {
  for (const AnyPeriod never :
       {AnyPeriod(Duration::max()), AnyPeriod(std::chrono::hours::max()),
        AnyPeriod(duration<double>(1e300)),
        AnyPeriod(duration<float>(std::numeric_limits<float>::infinity()))}) {
    for (const double jitter : {0., 1.}) {
      const PeriodicSchedule schedule(never, jitter);
      EXPECT_EQ(schedule.next(at(0ms), at(0ms), 0.), TimePoint::max());
      EXPECT_EQ(schedule.next(TimePoint::min(), at(0ms), 0.), TimePoint::max());
    }
  }
}

TEST(PeriodicSchedule, KeepsNanosecondsOfPeriodsOfYears) {
  const Duration period = std::chrono::hours(24 * 365 * 30) + 1ns;
  EXPECT_EQ(PeriodicSchedule(period).next(ticks(0), ticks(0), 0.9), TimePoint(period));
  EXPECT_EQ(PeriodicSchedule(period, 1).next(ticks(0), ticks(0), 0.5), TimePoint(period));
}

TEST(PeriodicSchedule, DrawsPeriodsFromTheRangeThatTheJitterSpans) {
  const auto period = [](double jitter, double draw) {
    return PeriodicSchedule(100ms, jitter).next(ticks(0), ticks(0), draw).time_since_epoch();
  };
  EXPECT_EQ(period(1, 0), 50ms);
  EXPECT_EQ(period(1, 1), 150ms);
  EXPECT_EQ(period(0.2, 0), 90ms);
  EXPECT_EQ(period(0.2, 1), 110ms);
  EXPECT_EQ(period(0, 0), 100ms);
  EXPECT_EQ(period(0, 1), 100ms);
}

TEST(PeriodicSchedule, SkipsMissedSlotsByTheJitteredPeriod) {
  const PeriodicSchedule schedule(10ms, 0.5);
  EXPECT_EQ(schedule.next(at(1000ms), at(1013ms), 1), at(1025ms));  // 12.5 ms a slot
  EXPECT_EQ(schedule.next(at(1000ms), at(1013ms), 0), at(1015ms));  // 7.5 ms
}

TEST(PeriodicSchedule, RoundsPeriodsUpToTheTickOfTheClock) {
  EXPECT_EQ(PeriodicSchedule(duration<double, std::nano>(0.25)).period(), 1ns);
  EXPECT_EQ(PeriodicSchedule(duration<double>(1e-300)).period(), 1ns);
  EXPECT_EQ(PeriodicSchedule(duration<double>(0.5)).period(), 500ms);
  EXPECT_EQ(PeriodicSchedule(duration<unsigned, std::milli>(7)).period(), 7ms);
}

TEST(PeriodicSchedule, TakesANewPeriodFromTheNextSlotOn) {
  PeriodicSchedule schedule(10ms);
  EXPECT_EQ(schedule.next(at(0ms), at(0ms), 0.5), at(10ms));
  schedule.set_period(3s);
  EXPECT_EQ(schedule.period(), 3s);
  EXPECT_EQ(schedule.next(at(10ms), at(10ms), 0.5), at(3010ms));
}

TEST(PeriodicSchedule, RefusesPeriodsThatAreNotAboveZeroAndNamesThem) {
  const auto refusal = [](auto period) {
    return error_of<std::invalid_argument>([&] { PeriodicSchedule{AnyPeriod(period)}; });
  };
  EXPECT_THAT(refusal(0ms), AllOf(HasSubstr("period"), HasSubstr(" 0 s")));
  EXPECT_THAT(refusal(-5ms), AllOf(HasSubstr("period"), HasSubstr(" -0.005 s")));
  EXPECT_THAT(refusal(Duration::min()), HasSubstr(" -9.2"));
  EXPECT_THAT(refusal(duration<double>(-0.)), HasSubstr("0 s"));
  EXPECT_THAT(refusal(duration<double>(-1e-300)), HasSubstr(" -1e-300 s"));
  EXPECT_THAT(refusal(duration<double>(std::nan(""))),
              AllOf(HasSubstr("period"), HasSubstr("nan")));
  EXPECT_THAT(refusal(duration<float>(-std::numeric_limits<float>::infinity())), HasSubstr("-inf"));
  PeriodicSchedule schedule(10ms);
  EXPECT_THROW(schedule.set_period(0s), std::invalid_argument);
  EXPECT_EQ(schedule.period(), 10ms);
}

TEST(PeriodicSchedule, RefusesJitterOutsideOfZeroToOneAndNamesIt) {
  const auto refusal = [](double jitter) {
    return error_of<std::invalid_argument>([&] { PeriodicSchedule(10ms, jitter); });
  };
  EXPECT_THAT(refusal(1.5), AllOf(HasSubstr("jitter"), HasSubstr(" 1.5;")));
  EXPECT_THAT(refusal(-0.25), HasSubstr(" -0.25;"));
  EXPECT_THAT(refusal(std::nan("")), HasSubstr("nan;"));
  EXPECT_THAT(refusal(std::numeric_limits<double>::infinity()), HasSubstr("inf;"));
  EXPECT_NO_THROW(PeriodicSchedule(10ms, 0));
  EXPECT_NO_THROW(PeriodicSchedule(10ms, 1));
}

}  // namespace
}  // namespace zmqloop::testing
