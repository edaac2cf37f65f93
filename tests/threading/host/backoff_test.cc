// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/host/backoff.h"

#include <cerrno>
#include <ctime>
#include <sched.h>

#include <gtest/gtest.h>

namespace {

struct Calls {
  int yields = 0;
  int rests = 0;
  bool interrupt_rests = false;
};
constinit thread_local Calls calls;

}  // namespace

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define ZMQLOOP_COUNTS_CALLS
// Replace the C library's functions to count calls. They do nothing: no other thread waits for
// them.
extern "C" int count_yield() noexcept asm("sched_yield");
extern "C" int count_yield() noexcept {
  ++calls.yields;
  return 0;
}
extern "C" int count_rest(const timespec* duration, timespec*) asm("nanosleep");
extern "C" int count_rest(const timespec* duration, timespec*) {
  if (duration->tv_sec == 0 && duration->tv_nsec > 0) ++calls.rests;
  if (!calls.interrupt_rests) return 0;
  errno = EINTR;
  return -1;
}
#endif

namespace zmqloop {
namespace {

class BackoffTest : public ::testing::Test {
 protected:
  void SetUp() override {
#if !defined(ZMQLOOP_COUNTS_CALLS)
    GTEST_SKIP() << "sanitizers have functions of their own in place of those that are counted";
#endif
    calls = Calls();
  }

  // Steps until the first rest, which leaves the core; returns the number of steps.
  static int steps_until_a_rest(Backoff& backoff) {
    int steps = 0;
    while (calls.rests == 0 && steps < 100'000) {
      backoff.step();
      ++steps;
    }
    return steps;
  }
};

TEST_F(BackoffTest, SpinsFirstWithoutASystemCall) {
  Backoff backoff;
  for (int i = 0; i < 32; ++i) backoff.step();
  EXPECT_EQ(calls.yields, 0);
  EXPECT_EQ(calls.rests, 0);
}

TEST_F(BackoffTest, LetsThreadsOfItsPriorityHaveTheCoreBeforeItLeavesIt) {
  Backoff backoff;
  steps_until_a_rest(backoff);
  EXPECT_GE(calls.yields, 32);
}

// Only a rest lets a thread of lower priority have the core.
TEST_F(BackoffTest, LeavesTheCoreAfterSomeStepsAndWithEachFromThenOn) {
  Backoff backoff;
  EXPECT_LE(steps_until_a_rest(backoff), 1'000);
  const int yields = calls.yields;
  for (int i = 2; i < 1'000; ++i) {
    backoff.step();
    EXPECT_EQ(calls.rests, i);
  }
  EXPECT_EQ(calls.yields, yields);
}

TEST_F(BackoffTest, BeginsAnewWithAnotherWait) {
  for (int i = 0; i < 3; ++i) {
    Backoff backoff;
    EXPECT_GT(steps_until_a_rest(backoff), 64);
    calls = Calls();
  }
}

TEST_F(BackoffTest, KeepsErrno) {
  Backoff backoff;
  calls.interrupt_rests = true;
  errno = ENOTTY;
  for (int i = 0; i < 1'000; ++i) backoff.step();
  EXPECT_GT(calls.rests, 0);
  EXPECT_EQ(errno, ENOTTY);
}

}  // namespace
}  // namespace zmqloop
