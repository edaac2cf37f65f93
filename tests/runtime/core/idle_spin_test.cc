// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// How long an idle loop spins, looking for posts, before it sleeps.

#include "zmqloop/runtime/core/idle_spin.h"

#include <chrono>
#include <deque>

#include <gtest/gtest.h>

#include "zmqloop/threading/host/usable_cores.h"

namespace zmqloop {
namespace {

using namespace std::chrono_literals;

constexpr Duration kNone = Duration::zero();

// Each test begins with one running loop, whose spin it tests.
class IdleSpinTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!RunningLoop::has_core_for_each()) GTEST_SKIP() << "with one core nobody spins";
  }

  // Spins in vain until it is given up.
  void give_up() {
    for (int spins = 0; spin_.budget(now_) > kNone; ++spins) {
      ASSERT_LT(spins, 100);
      spin_.found_nothing();
    }
  }

  const RunningLoop this_loop_;
  TimePoint now_ = Clock::now();
  IdleSpin spin_{std::nullopt};
};

TEST_F(IdleSpinTest, Rel_K8_IsNoneWhereMoreLoopsRunThanCoresAreUsable) {
  std::deque<RunningLoop> others;
  while (others.size() + 1 < usable_cores()) {
    EXPECT_GT(spin_.budget(now_), kNone);
    others.emplace_back();
  }
  EXPECT_GT(spin_.budget(now_), kNone) << "a core for each";
  others.emplace_back();
  EXPECT_EQ(spin_.budget(now_), kNone);
  others.pop_back();
  EXPECT_GT(spin_.budget(now_), kNone);
}

TEST_F(IdleSpinTest, IsGivenUpInVainAndTriedAgainAfterShortSleeps) {
  give_up();
  for (int i = 0; i < 100; ++i) spin_.slept(1h);
  EXPECT_EQ(spin_.budget(now_), kNone);
  int sleeps = 0;
  for (; spin_.budget(now_) == kNone; ++sleeps) {
    ASSERT_LT(sleeps, 100);
    spin_.slept(1us);
  }
  spin_.found_nothing();
  EXPECT_EQ(spin_.budget(now_), kNone) << "one attempt";
  for (int i = 0; i < sleeps; ++i) spin_.slept(1us);
  EXPECT_EQ(spin_.budget(now_), kNone) << "the next one comes later";
}

TEST_F(IdleSpinTest, GoesOnAsLongAsItFindsWork) {
  for (int i = 0; i < 100; ++i) {
    spin_.found_nothing();
    spin_.found_work();
    EXPECT_GT(spin_.budget(now_), kNone);
  }
}

TEST_F(IdleSpinTest, IsNoneForAWhileOnceItWasPreempted) {
  spin_.was_preempted(now_);
  for (int i = 0; i < 100; ++i) spin_.slept(1us);
  EXPECT_EQ(spin_.budget(now_), kNone);
  EXPECT_GT(spin_.budget(now_ + 1h), kNone);
}

TEST(IdleSpin, OfAFixedLengthHasThatLengthAlways) {
  IdleSpin never(kNone);
  IdleSpin always(5us);
  always.was_preempted(Clock::now());
  for (int i = 0; i < 100; ++i) always.found_nothing();
  EXPECT_EQ(never.budget(Clock::now()), kNone);
  EXPECT_EQ(always.budget(Clock::now()), Duration(5us));
}

}  // namespace
}  // namespace zmqloop
