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
  ASSERT_EQ(set.wait(reports, Duration::zero()), 1);
  EXPECT_EQ(reports[0].data.u64, 0xfeedfacecafebeef);
  EXPECT_EQ(reports[0].events, static_cast<std::uint32_t>(EPOLLIN));
  EXPECT_EQ(set.take_out(event.get()), 0);
  EXPECT_EQ(set.wait(reports, Duration::zero()), 0);
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
  EXPECT_EQ(set.wait(reports, Duration::zero()), 0);
}

}  // namespace
}  // namespace zmqloop::testing
