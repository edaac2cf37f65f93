// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Rescans look at every registration in its turn, and never at many at once.

#include <vector>

#include <gtest/gtest.h>

#include "zmqloop/poller/rescan.h"

namespace zmqloop {
namespace {

class RescanTest : public ::testing::Test {
 protected:
  // Registers `count` descriptors that are only numbers.
  void fill(int count) {
    for (int fd = 0; fd < count; ++fd) {
      table_.reserve_one();
      table_.insert(fd, fd, Events::kRead, 0, 0);
    }
    looks_.assign(static_cast<std::size_t>(count), 0);
  }

  // Runs one part, whose looks use up the whole budget. Returns the number of looks.
  std::size_t run_slow_part() {
    std::size_t count = 0;
    const TimePoint now = Clock::now();
    rescan_.run(table_, now, [&](const Registration& each) {
      ++looks_[static_cast<std::size_t>(each.fd)];
      ++count;
      while (Clock::now() < saturating_add(now, Rescan::kBudget)) {
      }
    });
    return count;
  }

  RegistrationTable table_;
  Rescan rescan_;
  std::vector<int> looks_;
};

// Failures: F19
TEST_F(RescanTest, LooksAtAFewWhenLooksAreSlow) {
  fill(100);
  EXPECT_EQ(run_slow_part(), Rescan::kStride);
  EXPECT_EQ(run_slow_part(), Rescan::kStride);
}

// Failures: F19
TEST_F(RescanTest, GivesEachItsTurn) {
  fill(100);
  for (int parts = 0; parts < 25; ++parts) run_slow_part();  // 25 times 16 are 4 times 100
  EXPECT_EQ(looks_, std::vector<int>(100, 4));
}

TEST_F(RescanTest, InterruptsASleepUntilEachWasLookedAtOnce) {
  fill(100);
  const TimePoint start = Clock::now();
  rescan_.begin_sleep(start, table_.places());
  EXPECT_EQ(rescan_.next(), start + Rescan::kPause);
  EXPECT_FALSE(rescan_.is_due(start));
  EXPECT_TRUE(rescan_.is_due(start + Rescan::kPause));
  int parts = 0;
  for (; rescan_.next(); ++parts) run_slow_part();
  EXPECT_EQ(parts, 7);
  EXPECT_FALSE(rescan_.is_due(TimePoint::max()));
}

TEST_F(RescanTest, LeavesASleepAloneThatHasNothingToLookAt) {
  rescan_.begin_sleep(Clock::now(), 0);
  EXPECT_FALSE(rescan_.next());
}

TEST_F(RescanTest, IsOverdueOncePerPause) {
  fill(1);
  const TimePoint now = Clock::now();
  EXPECT_TRUE(rescan_.is_overdue(now));
  rescan_.run(table_, now, [](const Registration&) {});
  EXPECT_FALSE(rescan_.is_overdue(now + Rescan::kPause - Duration(1)));
  EXPECT_TRUE(rescan_.is_overdue(now + Rescan::kPause));
}

// Each look erases its own registration and the next one.
TEST_F(RescanTest, PassesOverWhatALookErases) {
  fill(40);
  rescan_.run(table_, Clock::now(), [&](const Registration& each) {
    table_.erase(table_.id_of(each));
    if (const Registration* const next = table_.find(each.fd + 1)) {
      table_.erase(table_.id_of(*next));
    }
  });
  rescan_.run(table_, Clock::now(),
              [&](const Registration& each) { table_.erase(table_.id_of(each)); });
  rescan_.run(table_, Clock::now(),
              [&](const Registration& each) { table_.erase(table_.id_of(each)); });
  EXPECT_EQ(table_.size(), 0u);
}

}  // namespace
}  // namespace zmqloop
