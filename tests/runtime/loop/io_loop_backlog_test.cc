// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A loop with more posts than it can run: the limit that refuses posts, and the mark that warns.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/loop_fixture.h"
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_thread.h"

namespace zmqloop::testing {
namespace {

constexpr std::size_t kMost = 100;

class IOLoopBacklog : public OnBothPollers {
 protected:
  static IOLoop::Options limited() {
    IOLoop::Options result = options("limited");
    result.max_pending = kMost;
    return result;
  }
  IOLoop::Options marked() {
    IOLoop::Options result = options("marked");
    result.high_water_mark = kMost;
    result.on_high_water = [this](std::uint64_t pending) { told_.push_back(pending); };
    return result;
  }
  std::vector<std::uint64_t> told_;
};
ZMQLOOP_ON_BOTH_POLLERS(IOLoopBacklog);

// Posts and then runs `count` callbacks, all in one iteration.
void run_at_once(IOLoop& loop, std::size_t count) {
  for (std::size_t i = 1; i < count; ++i) loop.add_callback([] {});
  loop.add_callback([&] { loop.stop(); });
  loop.start();
}

// ---- a limit ----

TEST_P(IOLoopBacklog, Rel_K3_IsLimitedForThoseWhoTry) {
  IOLoop loop(limited());
  std::size_t ran = 0;
  for (std::size_t i = 0; i < kMost; ++i) {
    ASSERT_EQ(loop.try_add_callback([&] { ++ran; }), PostOutcome::kAccepted);
  }
  EXPECT_EQ(loop.try_add_callback([&] { ++ran; }), PostOutcome::kFull);
  EXPECT_EQ(loop.stats().pending, kMost);
  loop.stop();
  loop.start();  // returns at once: it was stopped before
  EXPECT_EQ(loop.try_add_callback([&] { ++ran; }), PostOutcome::kFull);
  run_at_once(loop, 1);
  EXPECT_EQ(ran, kMost);
  for (std::size_t i = 0; i < kMost; ++i) {
    ASSERT_EQ(loop.try_add_callback([] {}), PostOutcome::kAccepted);
  }
  EXPECT_EQ(loop.try_add_callback([] {}), PostOutcome::kFull);
  EXPECT_EQ(loop.stats().posts_refused, 0u) << "those are for a closed loop";
}

TEST_P(IOLoopBacklog, LeavesWhatItIsTooFullForAsItWas) {
  IOLoop loop(limited());
  for (std::size_t i = 0; i < kMost; ++i) loop.add_callback([] {});
  auto precious = std::make_unique<int>(4711);
  const auto take = [](std::unique_ptr<int>) {};
  ASSERT_EQ(loop.try_add_callback(take, std::move(precious)), PostOutcome::kFull);
  ASSERT_NE(precious, nullptr);
  EXPECT_EQ(*precious, 4711);
}

TEST_P(IOLoopBacklog, CountsPostsOfEachKindAndRefusesOnlyThoseWhoTry) {
  IOLoop loop(limited());
  for (std::size_t i = 0; i < kMost / 2; ++i) {
    EXPECT_TRUE(loop.add_callback([] {}));
    EXPECT_TRUE(loop.add_callback_from_signal([] {}));
  }
  EXPECT_EQ(loop.try_add_callback([] {}), PostOutcome::kFull);
  EXPECT_TRUE(loop.add_callback([] {}));
  EXPECT_TRUE(loop.add_callback_from_signal([] {}));
  EXPECT_EQ(loop.stats().pending, kMost + 2);
}

TEST_P(IOLoopBacklog, MakesRoomOnceTheIterationHasTakenACallback) {
  IOLoop loop(limited());
  PostOutcome within_first = PostOutcome::kFull;
  PostOutcome second = PostOutcome::kAccepted;
  loop.add_callback([&] {
    within_first = loop.try_add_callback([] {});
    second = loop.try_add_callback([] {});
  });
  run_at_once(loop, kMost - 1);
  EXPECT_EQ(within_first, PostOutcome::kAccepted) << "the callback itself waits no longer";
  EXPECT_EQ(second, PostOutcome::kFull);
}

TEST_P(IOLoopBacklog, OfAClosedLoopIsClosedAndNotFull) {
  IOLoop loop(limited());
  for (std::size_t i = 0; i < kMost; ++i) loop.add_callback([] {});
  loop.close();
  bool destroyed = false;
  EXPECT_EQ(loop.try_add_callback([guard = AtDestruction([&] { destroyed = true; })] {}),
            PostOutcome::kClosed);
  EXPECT_TRUE(destroyed);
  EXPECT_EQ(loop.stats().posts_refused, 1u);
}

TEST_P(IOLoopBacklog, HasNoLimitUnlessOneIsSet) {
  for (std::size_t i = 0; i < 100'000; ++i) {
    ASSERT_EQ(loop_.try_add_callback([] {}), PostOutcome::kAccepted);
  }
  EXPECT_EQ(loop_.stats().pending, 100'000u);
}

TEST_P(IOLoopBacklog, HasNoLimitWhenTheLargestNumbersAreSet) {
  constexpr std::size_t kLargest = std::numeric_limits<std::size_t>::max();
  for (const std::size_t most : {kLargest, kLargest - 1, kLargest - 2, kLargest / 2 + 1,
                                 kLargest / 2, kLargest / 2 - 1}) {
    IOLoop::Options unlimited = options("unlimited");
    unlimited.max_pending = most;
    IOLoop loop(unlimited);
    for (int round = 0; round < 3; ++round) {
      for (std::size_t i = 0; i < 1'000; ++i) {
        ASSERT_EQ(loop.try_add_callback([] {}), PostOutcome::kAccepted) << most;
      }
      run_at_once(loop, 1);
      EXPECT_EQ(loop.stats().pending, 0u);
    }
    loop.close();
    EXPECT_EQ(loop.try_add_callback([] {}), PostOutcome::kClosed);
  }
}

TEST_P(IOLoopBacklog, RefusesANullCallableThatIsTried) {
  void (*const null)() = nullptr;
  EXPECT_THROW(static_cast<void>(loop_.try_add_callback(null)), std::invalid_argument);
}

TEST_P(IOLoopBacklog, Rel_K3_StaysWithinTheLimitAndLosesNothingWhileManyTry) {
  constexpr std::size_t kPosters = 4;
  constexpr std::uint64_t kPosts = 20'000;
  LoopThread::Options of_thread;
  of_thread.loop = limited();
  LoopThread consumer(of_thread);
  LoopWatchdog::watch(consumer.loop());
  std::array<std::uint64_t, kPosters> next{};
  std::uint64_t out_of_order = 0;
  std::uint64_t most = 0;
  std::atomic<std::uint64_t> full{0};
  consumer.loop().add_callback([&] {
    while (full == 0) std::this_thread::yield();
  });
  std::vector<std::thread> posters;
  for (std::size_t poster = 0; poster < kPosters; ++poster) {
    posters.emplace_back([&, poster] {
      for (std::uint64_t number = 0; number < kPosts;) {
        const PostOutcome outcome = consumer.loop().try_add_callback([&, poster, number] {
          if (next[poster]++ != number) ++out_of_order;
          most = std::max(most, consumer.loop().stats().pending);
        });
        ASSERT_NE(outcome, PostOutcome::kClosed);
        if (outcome == PostOutcome::kAccepted) {
          ++number;
        } else {
          ++full;
          std::this_thread::yield();
        }
      }
    });
  }
  for (std::thread& poster : posters) poster.join();
  consumer.loop().submit([] {}).get();
  for (const std::uint64_t count : next) EXPECT_EQ(count, kPosts);
  EXPECT_EQ(out_of_order, 0u);
  EXPECT_LE(most, kMost + kPosters - 1);
  EXPECT_LE(consumer.loop().stats().most_pending, kMost + kPosters);
}

// ---- a mark ----

TEST_P(IOLoopBacklog, Rel_K3_IsToldOnceWhenItReachesTheMark) {
  IOLoop loop(marked());
  run_at_once(loop, kMost - 1);
  EXPECT_TRUE(told_.empty());
  run_at_once(loop, kMost + 7);
  EXPECT_EQ(told_, std::vector<std::uint64_t>{kMost + 7});
  run_at_once(loop, kMost);
  EXPECT_EQ(told_.size(), 1u) << "it has not been low since";
}

TEST_P(IOLoopBacklog, IsToldAgainOnceItHasFallenToHalf) {
  IOLoop loop(marked());
  run_at_once(loop, kMost);
  run_at_once(loop, kMost / 2 + 1);
  run_at_once(loop, kMost);
  EXPECT_EQ(told_.size(), 1u);
  run_at_once(loop, kMost / 2);
  run_at_once(loop, kMost);
  EXPECT_EQ(told_.size(), 2u);
}

TEST_P(IOLoopBacklog, IsToldBeforeTheFirstOfItsCallbacksRuns) {
  IOLoop loop(marked());
  bool told_before = false;
  loop.add_callback([&] { told_before = !told_.empty(); });
  run_at_once(loop, kMost);
  EXPECT_TRUE(told_before);
}

TEST_P(IOLoopBacklog, HandsOnWhatTheCallbackThrowsAndGoesOn) {
  IOLoop::Options throwing = options("throwing");
  throwing.high_water_mark = 2;
  throwing.on_high_water = [](std::uint64_t) { throw std::runtime_error("too much"); };
  RecordingLoop loop(throwing);
  run_at_once(loop, 2);
  ASSERT_EQ(loop.errors.size(), 1u);
  EXPECT_EQ(loop.what(0), "too much");
  EXPECT_EQ(loop.stats().callbacks_run, 2u);
}

TEST_P(IOLoopBacklog, NeedsMarkAndCallbackTogether) {
  IOLoop::Options mark_only = options();
  mark_only.high_water_mark = 1;
  EXPECT_THROW(IOLoop{mark_only}, std::invalid_argument);
  IOLoop::Options callback_only = options();
  callback_only.on_high_water = [](std::uint64_t) {};
  EXPECT_THROW(IOLoop{callback_only}, std::invalid_argument);
}

TEST_P(IOLoopBacklog, RemembersTheMostThatWaited) {
  for (int i = 0; i < 7; ++i) loop_.add_callback([] {});
  EXPECT_EQ(loop_.stats().most_pending, 7u) << "and not run yet";
  run_at_once(loop_, 3);
  run_at_once(loop_, 2);
  EXPECT_EQ(loop_.stats().pending, 0u);
  EXPECT_EQ(loop_.stats().most_pending, 10u);
}

}  // namespace
}  // namespace zmqloop::testing
