// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Timers: when they fire, that they are never early, unusual durations, and handles in every state.

#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "tests/support/loop_fixture.h"
#include <gtest/gtest.h>

namespace zmqloop::testing {
namespace {

using std::chrono::duration;

class IOLoopTimers : public OnBothPollers {
 protected:
  static IOLoop::Options with_clock(FakeClock& clock) {
    IOLoop::Options result = options("clocked");
    result.clock = clock.function();
    return result;
  }
  // Runs one iteration of the loop whose clock stands still.
  void run_clocked() {
    clocked_.add_callback([this] { clocked_.stop(); });
    clocked_.start();
  }
  auto write(char letter) {
    return [this, letter] { log_ += letter; };
  }

  FakeClock clock_;
  IOLoop clocked_{with_clock(clock_)};
  std::string log_;
};
ZMQLOOP_ON_BOTH_POLLERS(IOLoopTimers);

TEST_P(IOLoopTimers, NeverFireEarlyByTheLoopsClock) {
  EXPECT_EQ(clocked_.time(), clock_.now());
  clocked_.add_timeout(10ns, write('t'));
  clocked_.call_at(clock_.now() + 10ns, write('u'));
  clocked_.call_later(10ns, write('v'));
  run_clocked();
  clock_.advance(9ns);
  run_clocked();
  EXPECT_EQ(log_, "");
  clock_.advance(1ns);
  run_clocked();
  EXPECT_EQ(log_, "tuv");
  run_clocked();
  EXPECT_EQ(log_, "tuv") << "once";
}

TEST_P(IOLoopTimers, NeverFireEarlyByTheRealClock) {
  for (const Duration delay : {1us * 0, 1us * 1, 1us * 130, 1us * 999, 1us * 1'001, 1us * 5'500}) {
    TimePoint fired;
    const TimePoint due = loop_.time() + delay;
    loop_.call_at(due, [&] {
      fired = Clock::now();
      loop_.stop();
    });
    loop_.start();
    EXPECT_GE(fired, due);
  }
}

TEST_P(IOLoopTimers, NeverFireEarlyAmongOtherTimersAndPosts) {
  int left = 300;
  for (int i = 0; i < 300; ++i) {
    const TimePoint due = loop_.time() + std::chrono::microseconds(i * 37 % 5'000);
    loop_.call_at(due, [this, due, &left] {
      EXPECT_GE(Clock::now(), due);
      loop_.add_callback([] {});
      if (--left == 0) loop_.stop();
    });
  }
  loop_.start();
  EXPECT_EQ(left, 0);
}

TEST_P(IOLoopTimers, FireAsSoonAsPossibleForZeroNegativeAndPastTimes) {
  clocked_.add_timeout(0s, write('a'));
  clocked_.add_timeout(-1s, write('a'));
  clocked_.add_timeout(-std::chrono::hours(1'000'000), write('a'));
  clocked_.add_timeout(Duration::min(), write('a'));
  clocked_.add_timeout(duration<double>(-1e300), write('a'));
  clocked_.add_timeout(duration<double>(-std::numeric_limits<double>::infinity()), write('a'));
  clocked_.call_at(TimePoint::min(), write('a'));
  clocked_.call_at(clock_.now() - 1s, write('a'));
  run_clocked();
  EXPECT_EQ(log_, "aaaaaaaa");
}

TEST_P(IOLoopTimers, Rel_J2_J3_NeverFireForNotANumberInfinityAndOverflow) {
  clocked_.add_timeout(Duration::max(), write('x'));
  clocked_.add_timeout(duration<double>(std::nan("")), write('x'));
  clocked_.add_timeout(duration<float>(std::numeric_limits<float>::infinity()), write('x'));
  clocked_.add_timeout(duration<double>(1e300), write('x'));
  clocked_.add_timeout(std::chrono::hours::max(), write('x'));
  clocked_.add_timeout(std::chrono::milliseconds::max(), write('x'));
  clocked_.add_timeout(Duration::max() - 1ns, write('x'));
  clocked_.call_at(TimePoint::max(), write('x'));
  clocked_.call_at(std::chrono::time_point<Clock, std::chrono::hours>::max(), write('x'));
  run_clocked();
  clock_.set(TimePoint::max());  // even at the end of time
  run_clocked();
  EXPECT_EQ(log_, "");
  EXPECT_EQ(clocked_.close().timers_abandoned, 9u);
}

TEST_P(IOLoopTimers, TakeDurationsAndSteadyTimePointsOfAnyResolution) {
  clocked_.add_timeout(1ms, write('m'));
  clocked_.add_timeout(duration<double>(0.0005), write('d'));
  clocked_.add_timeout(duration<int, std::ratio<1, 1'000'000>>(100), write('u'));
  clocked_.add_timeout(duration<double, std::ratio<60>>(1.0 / 60), write('s'));
  clocked_.call_at(std::chrono::time_point_cast<std::chrono::milliseconds>(clock_.now()) + 2ms,
                   write('p'));
  clocked_.add_timeout(
      std::chrono::time_point<Clock, duration<double>>(clock_.now().time_since_epoch() + 3ms),
      write('q'));
  for (int i = 0; i < 2'000; ++i) {
    clock_.advance(1us * 10);
    run_clocked();
  }
  EXPECT_EQ(log_, "udmpq");
  clock_.advance(1s);
  run_clocked();
  EXPECT_EQ(log_, "udmpqs");
}

TEST_P(IOLoopTimers, AreRoundedUpToTheNextTick) {
  clocked_.add_timeout(duration<double, std::nano>(0.25), write('t'));
  run_clocked();
  EXPECT_EQ(log_, "");
  clock_.advance(1ns);
  run_clocked();
  EXPECT_EQ(log_, "t");
}

TEST_P(IOLoopTimers, Rel_J1_TakeNoBareNumbersAndNoOtherClocks) {
  static_assert(Clock::is_steady);
  static_assert(!std::is_constructible_v<Deadline, int>);
  static_assert(!std::is_constructible_v<Deadline, double>);
  static_assert(!std::is_constructible_v<Deadline, std::chrono::system_clock::time_point>);
  static_assert(!std::is_constructible_v<AnyTimePoint, Duration>);
  static_assert(!std::is_constructible_v<AnyDuration, TimePoint>);
  static_assert(!std::is_constructible_v<TimeLimit, double>);
  static_assert(std::is_constructible_v<Deadline, duration<float>>);
}

TEST_P(IOLoopTimers, BindArguments) {
  clocked_.add_timeout(
      0s, [this](char letter, std::unique_ptr<char> moved) { (log_ += letter) += *moved; }, 'a',
      std::make_unique<char>('b'));
  clocked_.call_later(0s, &std::string::push_back, &log_, 'c');
  run_clocked();
  EXPECT_EQ(log_, "abc");
}

TEST_P(IOLoopTimers, Rel_J11_SurviveAClockThatGoesBack) {
  clocked_.add_timeout(10ms, write('t'));
  clock_.advance(-1h + 1s);
  run_clocked();
  EXPECT_EQ(log_, "");
  clock_.advance(1h);
  run_clocked();
  EXPECT_EQ(log_, "t");
}

// ---- handles ----

TEST_P(IOLoopTimers, AreCancelledByTheirHandleAnyNumberOfTimes) {
  const auto alive = std::make_shared<int>();
  const TimeoutHandle handle = clocked_.add_timeout(1s, [this, alive] { log_ += 'x'; });
  const TimeoutHandle copy = handle;
  EXPECT_EQ(copy, handle);
  for (int i = 0; i < 3; ++i) {
    clocked_.remove_timeout(handle);
    clocked_.remove_timeout(copy);
    EXPECT_EQ(alive.use_count(), 1);
  }
  clock_.advance(1h);
  run_clocked();
  EXPECT_EQ(log_, "");
}

TEST_P(IOLoopTimers, AreNotCancelledByHandlesThatReferToNothingOrToThePast) {
  clocked_.remove_timeout(TimeoutHandle());
  const TimeoutHandle fired = clocked_.add_timeout(0s, write('a'));
  run_clocked();
  clocked_.remove_timeout(fired);
  const TimeoutHandle removed = clocked_.add_timeout(0s, write('x'));
  clocked_.remove_timeout(removed);
  clocked_.add_timeout(0s, write('b'));  // may reuse the slot of one of them
  clocked_.remove_timeout(fired);
  clocked_.remove_timeout(removed);
  run_clocked();
  EXPECT_EQ(log_, "ab");
}

TEST_P(IOLoopTimers, OfAnotherLoopAreRefused) {
  const TimeoutHandle theirs = loop_.add_timeout(0s, write('a'));
  const TimeoutHandle mine = clocked_.add_timeout(0s, write('b'));
  const std::string text =
      error_of<std::invalid_argument>([&] { clocked_.remove_timeout(theirs); });
  EXPECT_NE(text.find("'clocked'"), std::string::npos) << text;
  EXPECT_NE(theirs, mine);
  run_clocked();
  run_one_iteration();
  EXPECT_EQ(log_, "ba");
}

TEST_P(IOLoopTimers, MayRemoveThemselvesAndEachOtherWhileTheyRun) {
  TimeoutHandle self;
  TimeoutHandle later;
  const auto alive = std::make_shared<std::string>("a");
  self = clocked_.add_timeout(0s, [&, alive] {
    clocked_.remove_timeout(self);
    clocked_.remove_timeout(later);
    log_ += *alive;
  });
  later = clocked_.add_timeout(1ns, write('x'));
  clock_.advance(1s);
  run_clocked();
  EXPECT_EQ(log_, "a");
  EXPECT_EQ(clocked_.close().timers_abandoned, 0u);
}

TEST_P(IOLoopTimers, MayBeAddedAndRemovedByTheDestructorOfACancelledOne) {
  const TimeoutHandle other = clocked_.add_timeout(0s, write('x'));
  const TimeoutHandle first = clocked_.add_timeout(0s, [end = std::make_shared<AtDestruction>([&] {
                                                          clocked_.remove_timeout(other);
                                                          clocked_.add_timeout(0s, write('n'));
                                                        })] {});
  clocked_.remove_timeout(first);
  run_clocked();
  EXPECT_EQ(log_, "n");
}

TEST_P(IOLoopTimers, CanBeArmedAndCancelledByTheHundredThousand) {
  constexpr int kTimers = 100'000;
  const auto alive = std::make_shared<int>();
  std::vector<TimeoutHandle> handles;
  for (int i = 0; i < kTimers; ++i) {
    handles.push_back(clocked_.add_timeout(1us * (i * 7'919 % kTimers), [alive] {}));
  }
  for (int i = 0; i < kTimers; i += 2) {
    clocked_.remove_timeout(handles[static_cast<std::size_t>(i)]);
  }
  EXPECT_EQ(alive.use_count(), 1 + kTimers / 2);
  clock_.advance(1us * (kTimers / 2));
  run_clocked();
  const std::uint64_t fired = clocked_.stats().timers_fired;
  EXPECT_EQ(alive.use_count(), 1 + kTimers / 2 - static_cast<long>(fired));
  EXPECT_GT(fired, 0u);
  for (const TimeoutHandle& handle : handles) clocked_.remove_timeout(handle);
  EXPECT_EQ(alive.use_count(), 1);
  EXPECT_EQ(clocked_.close().timers_abandoned, 0u);
}

TEST_P(IOLoopTimers, AreEqualFirstComeFirstServedByTheHundredThousand) {
  constexpr int kTimers = 100'000;
  int next = 0;
  int wrong = 0;
  for (int i = 0; i < kTimers; ++i) {
    clocked_.add_timeout(1ms, [&, i] { wrong += next++ != i; });
  }
  clock_.advance(1ms);
  run_clocked();
  EXPECT_EQ(next, kTimers);
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace zmqloop::testing
