// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/timers/timer_queue.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace zmqloop {
namespace {

using std::chrono::milliseconds;

TimePoint at(int ms) { return TimePoint(milliseconds(ms)); }

std::size_t run_due(TimerQueue& queue, TimePoint now) {
  queue.begin_due(now);
  std::size_t run = 0;
  while (queue.run_next_due()) ++run;
  return run;
}

// Calls a function when it is destroyed, unless it was moved from.
class AtDestruction {
 public:
  explicit AtDestruction(std::function<void()> f) : f_(std::move(f)) {}
  AtDestruction(AtDestruction&& other) noexcept : f_(std::exchange(other.f_, nullptr)) {}
  AtDestruction& operator=(AtDestruction&&) = delete;
  ~AtDestruction() {
    if (f_) f_();
  }
  void operator()() const {}

 private:
  std::function<void()> f_;
};

TEST(TimerId, RefersToNothingByDefault) {
  TimerQueue queue;
  queue.add(at(1), [] {});
  EXPECT_FALSE(TimerId());
  EXPECT_FALSE(queue.cancel(TimerId()));
  EXPECT_EQ(queue.size(), 1u);
}

TEST(TimerQueue, IsEmptyAtFirst) {
  TimerQueue queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.next_deadline(), std::nullopt);
  EXPECT_EQ(queue.begin_due(TimePoint::max()), 0u);
  EXPECT_FALSE(queue.run_next_due());
  EXPECT_EQ(queue.running_type(), nullptr);
  EXPECT_EQ(queue.clear(), 0u);
}

TEST(TimerQueue, RunsTimersInOrderOfDeadline) {
  TimerQueue queue;
  std::vector<int> order;
  for (int ms : {30, 10, 20, 50, 40}) queue.add(at(ms), [&order, ms] { order.push_back(ms); });
  EXPECT_EQ(run_due(queue, at(40)), 4u);
  EXPECT_EQ(order, (std::vector<int>{10, 20, 30, 40}));
  EXPECT_EQ(queue.next_deadline(), at(50));
}

TEST(TimerQueue, RunsEqualDeadlinesInOrderOfAdding) {
  TimerQueue queue;
  std::vector<int> order;
  for (int i = 0; i < 1000; ++i) {
    queue.add(at(i % 3), [&order, i] { order.push_back(i % 3 * 1000 + i); });
  }
  run_due(queue, at(3));
  EXPECT_EQ(order.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(TimerQueue, RunsNothingBeforeItsDeadline) {
  TimerQueue queue;
  int run = 0;
  queue.add(at(10), [&run] { ++run; });
  EXPECT_EQ(run_due(queue, at(10) - Duration(1)), 0u);
  EXPECT_EQ(run_due(queue, at(10)), 1u);
  EXPECT_EQ(run, 1);
}

TEST(TimerQueue, RunsATimerOfTheDistantPast) {
  TimerQueue queue;
  queue.add(TimePoint::min(), [] {});
  EXPECT_EQ(queue.next_deadline(), TimePoint::min());
  EXPECT_EQ(run_due(queue, TimePoint::min()), 1u);
}

TEST(TimerQueue, NeverRunsATimerAtTheEndOfTime) {
  TimerQueue queue;
  const TimerId never = queue.add(TimePoint::max(), [] { FAIL(); });
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_EQ(queue.next_deadline(), std::nullopt);
  EXPECT_EQ(run_due(queue, TimePoint::max()), 0u);
  queue.add(at(5), [] {});
  EXPECT_EQ(queue.next_deadline(), at(5));
  EXPECT_EQ(run_due(queue, TimePoint::max()), 1u);
  EXPECT_TRUE(queue.cancel(never));
  EXPECT_TRUE(queue.empty());
}

TEST(TimerQueue, SaysAtOnceWhileDueTimersHaveNotRun) {
  TimerQueue queue;
  queue.add(at(1), [] {});
  queue.add(at(9), [] {});
  EXPECT_EQ(queue.next_deadline(), at(1));
  EXPECT_EQ(queue.begin_due(at(1)), 1u);
  EXPECT_EQ(queue.size(), 2u);
  EXPECT_EQ(queue.next_deadline(), TimePoint::min());
  EXPECT_TRUE(queue.run_next_due());
  EXPECT_EQ(queue.next_deadline(), at(9));
}

TEST(TimerQueue, AppendsALaterSnapshotToAnEarlierOne) {
  TimerQueue queue;
  std::vector<int> order;
  for (int ms : {1, 2, 3}) queue.add(at(ms), [&order, ms] { order.push_back(ms); });
  EXPECT_EQ(queue.begin_due(at(3)), 3u);
  queue.run_next_due();
  queue.add(at(0), [&order] { order.push_back(0); });
  EXPECT_EQ(queue.begin_due(at(3)), 1u);
  while (queue.run_next_due()) {
  }
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 0}));
}

TEST(TimerQueue, CancelsATimerOnce) {
  TimerQueue queue;
  const TimerId id = queue.add(at(1), [] { FAIL(); });
  EXPECT_TRUE(id);
  EXPECT_TRUE(queue.cancel(id));
  EXPECT_FALSE(queue.cancel(id));
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(run_due(queue, at(1)), 0u);
}

TEST(TimerQueue, DestroysTheCallableBeforeCancelReturns) {
  TimerQueue queue;
  const auto small = std::make_shared<int>();
  const TimerId id = queue.add(at(1), [small] {});
  const TimerId large =
      queue.add(at(1), [small, bytes = std::array<char, 200>()] { static_cast<void>(bytes); });
  EXPECT_EQ(small.use_count(), 3);
  queue.cancel(id);
  EXPECT_EQ(small.use_count(), 2);
  queue.cancel(large);
  EXPECT_EQ(small.use_count(), 1);
}

TEST(TimerQueue, DestroysTheCallableOnceItHasRun) {
  TimerQueue queue;
  const auto shared = std::make_shared<int>();
  long during = 0;
  queue.add(at(1), [shared, &during] { during = shared.use_count(); });
  run_due(queue, at(1));
  EXPECT_EQ(during, 2);
  EXPECT_EQ(shared.use_count(), 1);
}

TEST(TimerQueue, DoesNotRunATimerThatIsCancelledAfterTheSnapshot) {
  TimerQueue queue;
  const auto shared = std::make_shared<int>();
  std::vector<int> order;
  TimerId second;
  queue.add(at(1), [&] {
    order.push_back(1);
    EXPECT_TRUE(queue.cancel(second));
    EXPECT_EQ(shared.use_count(), 1);
  });
  second = queue.add(at(1), [&order, shared] { order.push_back(2); });
  queue.add(at(1), [&order] { order.push_back(3); });
  EXPECT_EQ(queue.begin_due(at(1)), 3u);
  EXPECT_TRUE(queue.run_next_due());
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_TRUE(queue.run_next_due());
  EXPECT_FALSE(queue.run_next_due());
  EXPECT_EQ(order, (std::vector<int>{1, 3}));
}

TEST(TimerQueue, MayHaveItsWholeSnapshotCancelled) {
  TimerQueue queue;
  std::vector<TimerId> ids;
  for (int i = 0; i < 10; ++i) ids.push_back(queue.add(at(i), [] { FAIL(); }));
  queue.begin_due(at(10));
  for (TimerId id : ids) EXPECT_TRUE(queue.cancel(id));
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.next_deadline(), std::nullopt);
  EXPECT_FALSE(queue.run_next_due());
}

TEST(TimerQueue, KeepsTheRestOfTheSnapshotWhenATimerThrows) {
  TimerQueue queue;
  const auto shared = std::make_shared<int>();
  int run = 0;
  const TimerId thrower =
      queue.add(at(1), [shared] { throw std::runtime_error("from the timer"); });
  queue.add(at(1), [&run] { ++run; });
  queue.begin_due(at(1));
  EXPECT_THROW(queue.run_next_due(), std::runtime_error);
  EXPECT_EQ(shared.use_count(), 1);
  EXPECT_FALSE(queue.cancel(thrower));
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_TRUE(queue.run_next_due());
  EXPECT_FALSE(queue.run_next_due());
  EXPECT_EQ(run, 1);
}

// Two timers that throw and arm themselves again keep one of the two due for ever.
TEST(TimerQueue, KeepsItsOrderInASnapshotThatNeverBecomesEmpty) {
  TimerQueue queue;
  std::vector<int> order;
  std::function<void(int)> fire = [&](int which) {
    order.push_back(which);
    queue.add(at(0), [&fire, which] { fire(which); });
    throw which;
  };
  for (int which : {0, 1}) queue.add(at(0), [&fire, which] { fire(which); });
  const TimerId bystander = queue.add(at(0), [] { FAIL(); });
  queue.begin_due(at(0));
  queue.cancel(bystander);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_THROW(queue.run_next_due(), int);
    EXPECT_EQ(queue.begin_due(at(0)), 1u);
    EXPECT_EQ(queue.size(), 2u);
  }
  for (std::size_t i = 0; i < order.size(); ++i) EXPECT_EQ(order[i], static_cast<int>(i % 2));
}

TEST(TimerQueue, LetsATimerCancelItself) {
  TimerQueue queue;
  TimerId self;
  const auto shared = std::make_shared<int>(7);
  int seen = 0;
  self = queue.add(at(1), [&queue, &self, &seen, shared] {
    EXPECT_FALSE(queue.cancel(self));
    EXPECT_TRUE(queue.empty());
    seen = *shared;
  });
  EXPECT_EQ(run_due(queue, at(1)), 1u);
  EXPECT_EQ(seen, 7);
}

TEST(TimerQueue, KeepsTheRunningCallableInPlaceWhileItAddsManyTimers) {
  TimerQueue queue;
  struct Adder {
    TimerQueue& queue;
    const void*& place;
    int& sum;
    int own = 42;
    void operator()() const {
      place = this;
      for (int i = 0; i < 1000; ++i) queue.add(at(1), [&s = sum] { ++s; });
      sum += own;
      EXPECT_EQ(place, this);
    }
  };
  const void* place = nullptr;
  int sum = 0;
  queue.add(at(1), Adder{queue, place, sum});
  EXPECT_EQ(run_due(queue, at(1)), 1u);
  EXPECT_EQ(sum, 42);
  EXPECT_EQ(run_due(queue, at(1)), 1000u);
  EXPECT_EQ(sum, 1042);
}

TEST(TimerQueue, LeavesTimersAddedDuringASnapshotToTheNext) {
  TimerQueue queue;
  int run = 0;
  std::function<void()> again = [&] {
    ++run;
    queue.add(TimePoint::min(), [&again] { again(); });
  };
  queue.add(at(1), [&again] { again(); });
  EXPECT_EQ(run_due(queue, at(1)), 1u);
  EXPECT_EQ(run, 1);
  EXPECT_EQ(run_due(queue, at(1)), 1u);
  EXPECT_EQ(run, 2);
}

TEST(TimerQueue, DoesNotTakeAStaleIdForTheTimerThatReusedItsPlace) {
  TimerQueue queue;
  const TimerId keeper = queue.add(at(9), [] {});  // so that the queue does not start afresh
  const TimerId old = queue.add(at(1), [] {});
  queue.cancel(old);
  const TimerId reused = queue.add(at(1), [] {});
  ASSERT_EQ(reused.index, old.index);
  EXPECT_FALSE(queue.cancel(old));
  EXPECT_EQ(queue.size(), 2u);
  EXPECT_TRUE(queue.cancel(reused));
  EXPECT_TRUE(queue.cancel(keeper));
}

TEST(TimerQueue, KnowsAStaleIdAlsoAfterItsMemoryWasGivenBack) {
  TimerQueue queue;
  std::vector<TimerId> old;
  for (int i = 0; i < 5000; ++i) old.push_back(queue.add(at(i), [] {}));
  EXPECT_EQ(queue.clear(), 5000u);
  for (TimerId id : old) EXPECT_FALSE(queue.cancel(id));
  std::vector<TimerId> fresh;
  for (int i = 0; i < 5000; ++i) fresh.push_back(queue.add(at(i), [] {}));
  for (TimerId id : old) EXPECT_FALSE(queue.cancel(id));
  EXPECT_EQ(queue.size(), 5000u);
  for (TimerId id : fresh) EXPECT_TRUE(queue.cancel(id));
}

TEST(TimerQueue, AddsNothingWhenTheCallableThrowsAsItIsCopied) {
  struct ThrowsWhenCopied {
    ThrowsWhenCopied() = default;
    ThrowsWhenCopied(const ThrowsWhenCopied&) { throw std::runtime_error("copied"); }
    void operator()() const {}
  };
  TimerQueue queue;
  const ThrowsWhenCopied callable;
  EXPECT_THROW(queue.add(at(1), callable), std::runtime_error);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.next_deadline(), std::nullopt);
  EXPECT_EQ(run_due(queue, at(1)), 0u);
}

TEST(TimerQueue, TakesMoveOnlyAndLargeCallables) {
  TimerQueue queue;
  int sum = 0;
  queue.add(at(1), [&sum, p = std::make_unique<int>(1)] { sum += *p; });
  queue.add(at(1), [&sum, bytes = std::array<int, 100>{2}] { sum += bytes[0]; });
  EXPECT_EQ(run_due(queue, at(1)), 2u);
  EXPECT_EQ(sum, 3);
}

TEST(TimerQueue, ReportsTheTypeThatRuns) {
  struct Inline {
    void operator()() const {}
  };
  struct Boxed {
    std::array<char, 100> bytes{};
    void operator()() const { throw 1; }
  };
  TimerQueue queue;
  const std::type_info* during = nullptr;
  queue.add(at(1), Inline());
  queue.add(at(2), Boxed());
  const auto look = [&queue, &during] { during = queue.running_type(); };
  queue.add(at(3), look);
  queue.begin_due(at(3));
  queue.run_next_due();
  EXPECT_EQ(*queue.running_type(), typeid(Inline));
  EXPECT_THROW(queue.run_next_due(), int);
  EXPECT_EQ(*queue.running_type(), typeid(Boxed));
  queue.run_next_due();
  EXPECT_EQ(*during, typeid(look));
}

TEST(TimerQueue, MayBeChangedByADestructorDuringCancel) {
  TimerQueue queue;
  int run = 0;
  const TimerId other = queue.add(at(2), [] { FAIL(); });
  const TimerId id = queue.add(at(1), AtDestruction([&] {
                                 EXPECT_TRUE(queue.cancel(other));
                                 EXPECT_TRUE(queue.empty());
                                 for (int i = 0; i < 500; ++i) queue.add(at(3), [&run] { ++run; });
                               }));
  EXPECT_TRUE(queue.cancel(id));
  EXPECT_EQ(run_due(queue, at(3)), 500u);
  EXPECT_EQ(run, 500);
}

TEST(TimerQueue, MayBeChangedByADestructorAfterARun) {
  TimerQueue queue;
  std::vector<TimerId> others;
  for (int i = 0; i < 300; ++i) others.push_back(queue.add(at(2), [] { FAIL(); }));
  queue.add(at(1), AtDestruction([&] {
              for (TimerId id : others) EXPECT_TRUE(queue.cancel(id));
              queue.add(at(1), [] {});
            }));
  EXPECT_EQ(run_due(queue, at(1)), 1u);
  EXPECT_EQ(queue.size(), 1u);
}

TEST(TimerQueue, MayBeChangedByTheMoveOfACallable) {
  struct Nested {
    TimerQueue* queue;
    int* run;
    explicit Nested(TimerQueue* q, int* r) : queue(q), run(r) {}
    Nested(Nested&& other) noexcept : queue(other.queue), run(other.run) {
      for (int i = 0; i < 100; ++i) queue->add(at(1), [r = run] { ++*r; });
    }
    Nested& operator=(Nested&&) = delete;
    ~Nested() = default;
    void operator()() const { *run += 1000; }
  };
  TimerQueue queue;
  int run = 0;
  const TimerId id = queue.add(at(1), Nested(&queue, &run));
  EXPECT_EQ(queue.size(), 101u);
  EXPECT_EQ(run_due(queue, at(1)), 101u);
  EXPECT_EQ(run, 1100);
  EXPECT_FALSE(queue.cancel(id));
}

TEST(TimerQueue, ClearsDueAndArmedTimers) {
  TimerQueue queue;
  const auto shared = std::make_shared<int>();
  for (int i = 0; i < 10; ++i) queue.add(at(i), [shared] { FAIL(); });
  queue.begin_due(at(4));
  EXPECT_EQ(queue.clear(), 10u);
  EXPECT_EQ(shared.use_count(), 1);
  EXPECT_TRUE(queue.empty());
  EXPECT_FALSE(queue.run_next_due());
}

TEST(TimerQueue, ClearsWhatDestructorsAddMeanwhile) {
  TimerQueue queue;
  const auto shared = std::make_shared<int>();
  for (int i = 0; i < 10; ++i) {
    queue.add(at(i), AtDestruction([&queue, shared] {
                for (int k = 0; k < 3; ++k) queue.add(at(1), [shared] { FAIL(); });
              }));
  }
  queue.begin_due(at(5));
  EXPECT_EQ(queue.clear(), 40u);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(shared.use_count(), 1);
}

TEST(TimerQueue, MayBeClearedByATimer) {
  TimerQueue queue;
  int run = 0;
  queue.add(at(1), [&] {
    ++run;
    EXPECT_EQ(queue.clear(), 2u);
    ++run;
  });
  queue.add(at(1), [] { FAIL(); });
  queue.add(at(9), [] { FAIL(); });
  EXPECT_EQ(run_due(queue, at(1)), 1u);
  EXPECT_EQ(run, 2);
}

TEST(TimerQueue, DestroysWhatIsLeftWhenItEnds) {
  const auto shared = std::make_shared<int>();
  {
    TimerQueue queue;
    for (int i = 0; i < 100; ++i) queue.add(at(i), [shared] { FAIL(); });
    queue.begin_due(at(10));
  }
  EXPECT_EQ(shared.use_count(), 1);
}

TEST(TimerQueue, KeepsEqualDeadlinesInOrderWhenItsNumbersWrapAround) {
  TimerQueue queue(std::numeric_limits<std::uint32_t>::max() - 50);
  std::vector<int> order;
  std::vector<TimerId> ids;
  for (int i = 0; i < 100; ++i) {
    ids.push_back(queue.add(at(i % 2), [&order, i] { order.push_back(i % 2 * 1000 + i); }));
    EXPECT_TRUE(ids.back());
  }
  for (std::size_t i = 0; i < ids.size(); i += 10) EXPECT_TRUE(queue.cancel(ids[i]));
  EXPECT_EQ(run_due(queue, at(1)), 90u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(TimerQueue, RunsTimersOfAllDistancesInOrder) {
  TimerQueue queue;
  std::mt19937_64 random(5);
  std::vector<std::int64_t> deadlines;
  std::vector<std::int64_t> run;
  for (int i = 0; i < 5'000; ++i) {
    // All magnitudes are equally likely, from nanoseconds to centuries.
    const std::int64_t deadline = static_cast<std::int64_t>(random() >> (1 + random() % 60));
    deadlines.push_back(deadline);
    queue.add(TimePoint(Duration(deadline)), [&run, deadline] { run.push_back(deadline); });
  }
  std::sort(deadlines.begin(), deadlines.end());
  for (std::size_t i = 0; i < deadlines.size(); i += 7) {
    const TimePoint now{Duration(deadlines[i])};
    run_due(queue, now);
    ASSERT_GT(run.size(), i);
    if (queue.next_deadline()) {
      ASSERT_GT(*queue.next_deadline(), now);
    }
  }
  run_due(queue, TimePoint::max());
  EXPECT_EQ(run, deadlines);
}

TEST(TimerQueue, KnowsTheExactDeadlineOfFewTimers) {
  TimerQueue queue;
  std::vector<TimerId> ids;
  for (int i = 1; i <= 16; ++i) ids.push_back(queue.add(at(3'600'000 + i), [] {}));
  for (int i = 1; i <= 16; ++i) {
    EXPECT_EQ(queue.next_deadline(), at(3'600'000 + i));
    queue.cancel(ids[static_cast<std::size_t>(i - 1)]);
  }
  EXPECT_EQ(queue.next_deadline(), std::nullopt);
}

// Sleeps until each next_deadline(), as a loop does: many timers must not make it wake often.
TEST(TimerQueue, LeadsToTheDeadlineOfManyTimersInAFewSteps) {
  TimerQueue queue;
  for (int i = 0; i < 10'000; ++i) queue.add(at(3'600'000 + i % 100), [] {});
  int steps = 0;
  while (*queue.next_deadline() < at(3'600'000)) {
    EXPECT_EQ(queue.begin_due(*queue.next_deadline()), 0u);
    ASSERT_LT(++steps, 10);
  }
  EXPECT_EQ(queue.next_deadline(), at(3'600'000));
}

TEST(TimerQueue, FollowsAClockThatGoesBack) {
  TimerQueue queue;
  std::vector<int> order;
  queue.begin_due(at(1'000'000));
  for (int ms : {2'000'000, 30, 1'000'001, 10}) {
    queue.add(at(ms), [&order, ms] { order.push_back(ms); });
  }
  EXPECT_EQ(queue.next_deadline(), at(10));
  EXPECT_EQ(run_due(queue, at(20)), 1u);
  EXPECT_EQ(run_due(queue, at(2'000'000)), 3u);
  EXPECT_EQ(order, (std::vector<int>{10, 30, 1'000'001, 2'000'000}));
}

TEST(TimerQueue, ClearsTimersAtTheEndOfTime) {
  TimerQueue queue;
  const auto shared = std::make_shared<int>();
  for (int i = 0; i < 100; ++i) queue.add(TimePoint::max(), [shared] { FAIL(); });
  queue.add(at(5), [shared] { FAIL(); });
  EXPECT_EQ(queue.next_deadline(), at(5));
  EXPECT_EQ(queue.clear(), 101u);
  EXPECT_EQ(shared.use_count(), 1);
}

TEST(TimerQueue, GoesOnAfterATrim) {
  TimerQueue queue;
  int run = 0;
  for (int round = 1; round <= 3; ++round) {
    std::vector<TimerId> ids;
    for (int i = 0; i < 2'000; ++i) ids.push_back(queue.add(at(i), [&run] { ++run; }));
    queue.trim();
    EXPECT_EQ(queue.size(), 2'000u) << "a queue that is not empty keeps what it has";
    for (std::size_t i = 0; i < ids.size(); i += 2) EXPECT_TRUE(queue.cancel(ids[i]));
    EXPECT_EQ(run_due(queue, at(2'000)), 1'000u);
    queue.trim();
    for (const TimerId id : ids) EXPECT_FALSE(queue.cancel(id));
  }
  EXPECT_EQ(run, 3'000);
}

// Compares with the obvious model: a map ordered by (deadline, order of adding).
class TimerQueueModel : public testing::TestWithParam<unsigned> {};

TEST_P(TimerQueueModel, AgreesWithAnOrderedMapOnRandomOperations) {
  std::mt19937 random(GetParam());
  const int range = GetParam() % 2 == 0 ? 50 : 1'000'000;  // many equal deadlines, or few
  struct Armed {
    TimerId id;
    int value;
  };
  std::map<std::pair<int, int>, Armed> model;
  TimerQueue queue;
  std::vector<int> ran;
  int added = 0;
  const auto below = [&random](int bound) {
    return static_cast<int>(random() % static_cast<unsigned>(bound));
  };
  for (int step = 0; step < 20'000; ++step) {
    const int dice = below(step / 2000 % 2 == 0 ? 12 : 20);  // grows, then shrinks
    if (dice < 8) {
      const int deadline = below(range);
      const int value = added++;
      const TimerId id = queue.add(at(deadline), [&ran, value] { ran.push_back(value); });
      model[{deadline, value}] = {id, value};
    } else if (dice < 19 && !model.empty()) {
      auto victim = model.lower_bound({below(range), 0});
      if (victim == model.end()) victim = model.begin();
      EXPECT_TRUE(queue.cancel(victim->second.id));
      model.erase(victim);
    } else {
      const int now = model.empty() ? 0 : model.begin()->first.first + below(range / 20 + 1);
      ran.clear();
      run_due(queue, at(now));
      std::vector<int> expected;
      while (!model.empty() && model.begin()->first.first <= now) {
        expected.push_back(model.begin()->second.value);
        model.erase(model.begin());
      }
      ASSERT_EQ(ran, expected);
    }
    ASSERT_EQ(queue.size(), model.size());
    if (model.empty()) {
      ASSERT_EQ(queue.next_deadline(), std::nullopt);
    } else {
      ASSERT_LE(queue.next_deadline(), at(model.begin()->first.first));
    }
  }
  EXPECT_EQ(queue.clear(), model.size());
}

INSTANTIATE_TEST_SUITE_P(Seeds, TimerQueueModel, testing::Range(0u, 12u));

TEST(TimerQueue, Rel_J5_ArmsCancelsAndFiresAMillionTimers) {
  constexpr int kTimers = 1'000'000;
  TimerQueue queue;
  std::mt19937 random(1);
  std::vector<TimerId> ids;
  ids.reserve(kTimers);
  std::int64_t last = -1;
  std::size_t fired = 0;
  for (int i = 0; i < kTimers; ++i) {
    const auto deadline = static_cast<std::int64_t>(random() % 1'000'000'000u);
    ids.push_back(queue.add(TimePoint(Duration(deadline)), [deadline, &last, &fired] {
      EXPECT_LE(last, deadline);
      last = deadline;
      ++fired;
    }));
  }
  for (std::size_t i = 0; i < ids.size(); i += 2) EXPECT_TRUE(queue.cancel(ids[i]));
  for (int second = 1; second <= 10; ++second) run_due(queue, at(100 * second));
  EXPECT_EQ(fired, kTimers / 2);
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace zmqloop
