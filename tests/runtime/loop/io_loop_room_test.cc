// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Both sides of back-pressure: a refused poster learns of room, a full loop learns of the refusal.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/support/loop_fixture.h"
#include "tests/support/zmq_fixture.h"

#include "zmqloop/runtime/pool/loop_thread.h"
#include "zmqloop/runtime/tasks/task.h"

namespace zmqloop::testing {
namespace {

using CallWhenBelow = OnBothPollers;
ZMQLOOP_ON_BOTH_POLLERS(CallWhenBelow);

TEST_P(CallWhenBelow, CallsOnceWhenAnIterationBeginsWithFewerPosts) {
  std::vector<std::uint64_t> pending;
  EXPECT_TRUE(loop_.call_when_below(3, [&] { pending.push_back(loop_.stats().pending); }));
  EXPECT_TRUE(pending.empty()) << "called from within the call";
  for (int i = 0; i < 10; ++i) {
    loop_.add_callback([this] { loop_.add_callback([] {}); });
  }
  run_one_iteration();
  run_one_iteration();
  ASSERT_EQ(pending.size(), 1u);
  EXPECT_LT(pending[0], 3u);
}

TEST_P(CallWhenBelow, CallsInTheOrderOfAskingOnTheLoopsThread) {
  std::vector<int> order;
  std::vector<std::thread::id> threads;
  std::thread asker([&] {
    for (int i = 0; i < 5; ++i) {
      loop_.call_when_below(1, [&, i] {
        order.push_back(i);
        threads.push_back(std::this_thread::get_id());
        if (i == 4) loop_.stop();
      });
    }
  });
  loop_.start();
  asker.join();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_EQ(threads, std::vector<std::thread::id>(5, std::this_thread::get_id()));
}

TEST_P(CallWhenBelow, PassesOverThoseThatNeedMoreRoom) {
  std::vector<int> order;
  loop_.add_callback([&] {
    loop_.call_when_below(1, [&] {
      order.push_back(1);
      loop_.stop();
    });
    loop_.call_when_below(100, [&] { order.push_back(100); });
    for (int i = 0; i < 50; ++i) {
      loop_.add_callback([this] { loop_.add_callback([] {}); });
    }
  });
  loop_.start();
  EXPECT_EQ(order, (std::vector<int>{100, 1}));
}

TEST_P(CallWhenBelow, WakesALoopThatSleeps) {
  LoopThread thread;
  std::thread::id ran_on;
  Promise<void> called;
  Future<void> ready = called.get_future();
  thread.loop().submit([] {}).get();
  EXPECT_TRUE(thread.loop().call_when_below(1, [&] {
    ran_on = std::this_thread::get_id();
    called.set_value();
  }));
  ready.get();
  EXPECT_EQ(ran_on, thread.loop().submit([] { return std::this_thread::get_id(); }).get());
}

TEST_P(CallWhenBelow, DoesNotCountAgainstTheLimit) {
  IOLoop::Options options = this->options();
  options.max_pending = 1;
  IOLoop loop(options);
  int calls = 0;
  for (int i = 0; i < 10; ++i) {
    loop.call_when_below(1, [&] {
      if (++calls == 10) loop.stop();
    });
  }
  EXPECT_EQ(loop.stats().pending, 0u);
  EXPECT_EQ(loop.try_add_callback([] {}), PostOutcome::kAccepted);
  EXPECT_EQ(loop.try_add_callback([] {}), PostOutcome::kFull);
  loop.start();
  EXPECT_EQ(calls, 10);
}

// The typical use: a producer that continues where it was refused.
// Failures: K12
TEST_P(CallWhenBelow, LetsAProducerGoOnWhereItWasRefused) {
  IOLoop::Options options = this->options();
  options.max_pending = 8;
  IOLoop loop(options);
  constexpr int kItems = 1'000;
  std::vector<int> received;
  int next = 0;
  std::function<void()> produce = [&] {
    for (; next < kItems; ++next) {
      const PostOutcome outcome = loop.try_add_callback([&, item = next] {
        received.push_back(item);
        if (item + 1 == kItems) loop.stop();
      });
      if (outcome == PostOutcome::kFull) {
        EXPECT_TRUE(loop.call_when_below(4, produce));
        return;
      }
    }
  };
  produce();
  loop.start();
  ASSERT_EQ(received.size(), std::size_t{kItems});
  for (int i = 0; i < kItems; ++i) ASSERT_EQ(received[static_cast<std::size_t>(i)], i);
}

TEST_P(CallWhenBelow, ReportsWhatIsThrownAndGoesOn) {
  loop_.call_when_below(1, [] { throw std::runtime_error("no room after all"); });
  loop_.call_when_below(1, [this] { loop_.stop(); });
  loop_.start();
  EXPECT_EQ(loop_.what(0), "no room after all");
}

// Failures: K12
TEST_P(CallWhenBelow, IsKeptForTheNextRunIfAnExceptionEndsThisOne) {
  RecordingLoop loop(options());
  loop.escape = true;
  bool called = false;
  loop.call_when_below(1, [] { throw std::runtime_error("it ends the run"); });
  loop.call_when_below(1, [&] {
    called = true;
    loop.stop();
  });
  EXPECT_THROW(loop.start(), std::runtime_error);
  EXPECT_FALSE(called);
  loop.start();
  EXPECT_TRUE(called);
}

TEST_P(CallWhenBelow, EndsTheRunWithAStopAndLeavesTheRestForTheNext) {
  std::vector<int> order;
  for (int i = 0; i < 3; ++i) {
    loop_.call_when_below(1, [&, i] {
      order.push_back(i);
      loop_.stop();
    });
  }
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(order.size(), static_cast<std::size_t>(i));
    loop_.start();
  }
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
}

TEST_P(CallWhenBelow, RunsATaskToItsEnd) {
  bool ended = false;
  loop_.call_when_below(1, [this, &ended]() -> Task<void> {
    co_await sleep_for(1ms);
    ended = true;
    loop_.stop();
  });
  loop_.start();
  EXPECT_TRUE(ended);
}

TEST_P(CallWhenBelow, MayBeAskedAgainFromWithin) {
  int calls = 0;
  std::function<void()> again = [&] {
    if (++calls < 5) {
      loop_.call_when_below(1, again);
    } else {
      loop_.stop();
    }
  };
  loop_.call_when_below(1, again);
  loop_.start();
  EXPECT_EQ(calls, 5);
}

TEST_P(CallWhenBelow, DestroysAndCountsThoseThatTheCloseFindsWaiting) {
  const auto owned = std::make_shared<int>(0);
  int calls = 0;
  for (int i = 0; i < 3; ++i) loop_.call_when_below(1, [&calls, owned] { ++calls; });
  EXPECT_EQ(loop_.close().callbacks_abandoned, 3u);
  EXPECT_EQ(loop_.stats().callbacks_abandoned, 3u);
  EXPECT_EQ(owned.use_count(), 1);
  EXPECT_EQ(calls, 0);
}

TEST_P(CallWhenBelow, SaysSoOfAClosedLoop) {
  loop_.close();
  const auto owned = std::make_shared<int>(0);
  EXPECT_FALSE(loop_.call_when_below(1, [owned] {}));
  EXPECT_EQ(owned.use_count(), 1);
}

TEST_P(CallWhenBelow, RefusesWhatCanNeverBe) {
  EXPECT_NE(error_of<std::invalid_argument>([this] { loop_.call_when_below(0, [] {}); })
                .find("call_when_below"),
            std::string::npos);
  EXPECT_THROW(loop_.call_when_below(1, std::function<void()>()), std::invalid_argument);
}

// ---- kFull and on_high_water ----

class FullAndHighWater : public OnBothPollers {
 protected:
  // Options of a loop that is full with 4 posts and has its high-water mark at `mark`.
  IOLoop::Options marked(std::size_t mark, std::vector<std::uint64_t>& told) {
    IOLoop::Options options = this->options();
    options.max_pending = 4;
    options.high_water_mark = mark;
    options.on_high_water = [&told](std::uint64_t pending) { told.push_back(pending); };
    return options;
  }
};
ZMQLOOP_ON_BOTH_POLLERS(FullAndHighWater);

// The queue fills up within one iteration, and half of it is empty again when the next begins.
// Failures: K12
TEST_P(FullAndHighWater, AreToldOfEachOtherAlsoBetweenTwoIterations) {
  std::vector<std::uint64_t> told;
  IOLoop loop(marked(4, told));
  int refused = 0;
  loop.add_callback([&] {
    for (int i = 0; i < 4; ++i) {
      if (loop.try_add_callback([] {}) == PostOutcome::kFull) ++refused;
    }
  });
  for (int i = 0; i < 2; ++i) loop.add_callback([] {});
  loop.add_callback([&] { loop.add_callback([&] { loop.stop(); }); });
  loop.start();
  EXPECT_GT(refused, 0);
  EXPECT_EQ(told.size(), 1u);
}

TEST_P(FullAndHighWater, AreToldOnceUntilThereIsRoomAgain) {
  std::vector<std::uint64_t> told;
  IOLoop loop(marked(3, told));
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 4; ++i) EXPECT_EQ(loop.try_add_callback([] {}), PostOutcome::kAccepted);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(loop.try_add_callback([] {}), PostOutcome::kFull);
    loop.add_callback([&] { loop.add_callback([&] { loop.stop(); }); });
    loop.start();
    EXPECT_EQ(told.size(), static_cast<std::size_t>(round) + 1);
  }
}

TEST_P(FullAndHighWater, DoNotMindEachOtherIfTheMarkIsBeyondTheLimit) {
  std::vector<std::uint64_t> told;
  IOLoop loop(marked(100, told));
  for (int i = 0; i < 10; ++i) static_cast<void>(loop.try_add_callback([] {}));
  loop.add_callback([&] { loop.add_callback([&] { loop.stop(); }); });
  loop.start();
  EXPECT_TRUE(told.empty());
}

// The time of each thread's refusals is random; the loop knows of all once it is at rest.
TEST_P(FullAndHighWater, HearOfEveryRefusalFromManyThreads) {
  for (int round = 0; round < 200; ++round) {
    std::vector<std::uint64_t> told;
    LoopThread thread(LoopThread::Options{.loop = marked(4, told)});
    std::atomic<bool> refused{false};
    std::vector<std::thread> posters;
    for (int i = 0; i < 3; ++i) {
      posters.emplace_back([&] {
        for (int post = 0; post < 50; ++post) {
          if (thread.loop().try_add_callback([] {}) == PostOutcome::kFull) refused = true;
        }
      });
    }
    for (std::thread& poster : posters) poster.join();
    thread.loop().submit([] {}).get();
    // One more iteration: the last refusal asks for an iteration of its own, which reports it.
    thread.loop().submit([] {}).get();
    thread.stop();
    thread.join();
    EXPECT_EQ(refused, !told.empty());
  }
}

// ---- handlers that throw each time ----

class HandlerThatThrows : public OnBothPollers {
 protected:
  // Runs a handler that throws `times` times, then removes itself and stops the loop.
  void throw_often(RecordingLoop& loop, int times) {
    const OwnedFd event = make_event(/*readable=*/true);
    int calls = 0;
    loop.add_handler(
        event.get(),
        [&] {
          if (++calls <= times) throw std::runtime_error("each time");
          loop.remove_handler(event.get());
          loop.stop();
        },
        Events::kRead);
    loop.start();
  }
};
ZMQLOOP_ON_BOTH_POLLERS(HandlerThatThrows);

// Failures: K13
TEST_P(HandlerThatThrows, IsReportedAtTheRateOfStallsAndCounted) {
  IOLoop::Options options = this->options();
  options.stall_reports_per_minute = 3;
  RecordingLoop loop(options);
  throw_often(loop, 100);
  EXPECT_EQ(loop.errors.size(), 1u + 3) << "the first at any rate";
  EXPECT_EQ(loop.stats().exceptions_suppressed, 96u);
  EXPECT_EQ(loop.stats().callback_exceptions, 100u);
}

TEST_P(HandlerThatThrows, IsReportedEachTimeWithoutALimit) {
  IOLoop::Options options = this->options();
  options.stall_reports_per_minute = 0;
  RecordingLoop loop(options);
  throw_often(loop, 100);
  EXPECT_EQ(loop.errors.size(), 100u);
  EXPECT_EQ(loop.stats().exceptions_suppressed, 0u);
}

TEST_P(HandlerThatThrows, IsReportedEachTimeIfItDoesNotThrowAgainAtOnce) {
  IOLoop::Options options = this->options();
  options.stall_reports_per_minute = 1;
  RecordingLoop loop(options);
  const OwnedFd event = make_event(/*readable=*/true);
  int calls = 0;
  loop.add_handler(
      event.get(),
      [&] {
        if (++calls == 100) loop.stop();
        if (calls % 2 == 0) throw std::runtime_error("every other time");
      },
      Events::kRead);
  loop.start();
  EXPECT_EQ(loop.errors.size(), 50u);
}

}  // namespace
}  // namespace zmqloop::testing
