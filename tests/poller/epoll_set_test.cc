// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/epoll_set.h"

#include <cerrno>
#include <fcntl.h>

#include "tests/support/zmq_fixture.h"

namespace zmqloop::testing {
namespace {

TEST(EpollSet, TellsWhetherANumberStillNamesTheFileItWasAddedWith) {
  EpollSet set;
  OwnedFd event = make_event();
  const int number = event.get();
  EXPECT_EQ(set.add(number, EPOLLIN, 1), 0);
  EXPECT_EQ(set.add(number, EPOLLIN, 2), EEXIST) << "the same file";
  EXPECT_EQ(set.change(number, EPOLLIN, 1), 0);
  event.close();
  EXPECT_EQ(set.change(number, EPOLLIN, 1), EBADF) << "no file";
  const OwnedFd other = make_event();
  ASSERT_EQ(other.get(), number);
  EXPECT_EQ(set.change(number, EPOLLIN, 1), ENOENT) << "another file";
  EXPECT_EQ(set.add(number, EPOLLIN, 2), 0);
}

TEST(EpollSet, ReportsTheDataOfItsEntries) {
  EpollSet set;
  const OwnedFd event = make_event(/*readable=*/true);
  ASSERT_EQ(set.add(event.get(), EPOLLIN, 0xfeedfacecafebeef), 0);
  epoll_event reports[4];
  ASSERT_EQ(set.wait(reports, kAtOnce), 1);
  EXPECT_EQ(reports[0].data.u64, 0xfeedfacecafebeef);
  EXPECT_EQ(reports[0].events, static_cast<std::uint32_t>(EPOLLIN));
  EXPECT_EQ(set.take_out(event.get()), 0);
  EXPECT_EQ(set.wait(reports, kAtOnce), 0);
}

// The timer is made by the first wait with a deadline, and gets the lowest free number.
TEST(EpollSet, Rel_F5_NeverTakesItsOwnTimerForAFileThatHadItsNumberBefore) {
  EpollSet set;
  OwnedFd event = make_event();
  const int number = event.get();
  ASSERT_EQ(set.add(number, EPOLLIN, 1), 0);
  event.close();
  epoll_event reports[2];
  for (int i = 0; i < 3; ++i) {
    const TimePoint deadline = Clock::now() + std::chrono::milliseconds(1);
    while (Clock::now() < deadline) EXPECT_EQ(set.wait(reports, deadline), 0);
    EXPECT_EQ(set.change(number, EPOLLIN, 1), ENOENT);
    EXPECT_EQ(set.take_out(number), ENOENT);
    EXPECT_FALSE(set.holds(number));
    EXPECT_EQ(set.add(number, EPOLLIN, 1), EBADF);
  }
}

TEST(EpollSet, IsClosedInExecutedPrograms) {
  const OwnedFd next = make_event();
  EpollSet set;
  EXPECT_NE(fcntl(next.get() + 1, F_GETFD) & FD_CLOEXEC, 0);
}

TEST(EpollSet, ForgetsEverythingWhenClosedAndOpenedAgain) {
  EpollSet set;
  const OwnedFd event = make_event(/*readable=*/true);
  ASSERT_EQ(set.add(event.get(), EPOLLIN, 1), 0);
  set.close();
  EXPECT_FALSE(set.is_open());
  set.open();
  epoll_event reports[1];
  EXPECT_EQ(set.wait(reports, kAtOnce), 0);
}

TEST(EpollSet, EndsAWaitAtItsDeadlineAndReportsNothing) {
  EpollSet set;
  epoll_event reports[2];
  for (int i = 0; i < 3; ++i) {
    const TimePoint deadline = Clock::now() + std::chrono::milliseconds(2);
    int count = 0;
    while (count == 0 && Clock::now() < deadline) count = set.wait(reports, deadline);
    EXPECT_EQ(count, 0);
  }
}

TEST(EpollSet, EndsAWaitForADeadlineOfThePast) {
  EpollSet set;
  epoll_event reports[1];
  EXPECT_EQ(set.wait(reports, TimePoint()), 0);
  EXPECT_EQ(set.wait(reports, TimePoint(Duration(-5))), 0);
  EXPECT_EQ(set.wait(reports, Clock::now() - std::chrono::hours(1)), 0);
}

TEST(EpollSet, ReportsItsEntriesBesideTheEndOfTheWait) {
  EpollSet set;
  const OwnedFd event = make_event();
  ASSERT_EQ(set.add(event.get(), EPOLLIN, 7), 0);
  epoll_event reports[4];
  // The first wait arms the timer and ends for another reason. By the next wait it has expired.
  const TimePoint deadline = Clock::now() + std::chrono::milliseconds(2);
  ring(event);
  ASSERT_EQ(set.wait(reports, deadline), 1);
  while (Clock::now() < deadline + std::chrono::milliseconds(1)) {
  }
  ASSERT_EQ(set.wait(reports, std::nullopt), 1);
  EXPECT_EQ(reports[0].data.u64, 7u);
}

TEST(EpollSet, EndsAWaitForAnEarlierDeadlineThanTheOneBefore) {
  EpollSet set;
  const OwnedFd event = make_event(/*readable=*/true);
  ASSERT_EQ(set.add(event.get(), EPOLLIN, 7), 0);
  epoll_event reports[1];
  ASSERT_EQ(set.wait(reports, Clock::now() + std::chrono::hours(1)), 1);
  ASSERT_EQ(set.take_out(event.get()), 0);
  EXPECT_EQ(set.wait(reports, Clock::now() + std::chrono::milliseconds(1)), 0);
}

TEST(EpollSet, EndsWaitsAfterItWasClosedAndOpenedAgain) {
  EpollSet set;
  epoll_event reports[1];
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(set.wait(reports, Clock::now() + std::chrono::milliseconds(1)), 0);
    set.close();
    set.open();
  }
}

}  // namespace
}  // namespace zmqloop::testing
