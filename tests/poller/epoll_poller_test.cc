// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Promises of the epoll poller alone; those of every poller are in poller_*_test.cc.

#include "zmqloop/poller/epoll_poller.h"

#include <cerrno>
#include <string>
#include <sys/syscall.h>
#include <system_error>
#include <utility>
#include <vector>

#include "tests/support/refused_system_call.h"
#include "tests/support/zmq_fixture.h"

namespace zmqloop::testing {
namespace {

TEST(EpollPoller, Rel_H4_O6_SleepsInMillisecondsWhereTheKernelHasNoFinerWait) {
  for (const unsigned error : {unsigned{ENOSYS}, unsigned{EMFILE}}) {
    EXPECT_EQ(exit_code_of_child([error] {
                if (!refuse_system_call(SYS_timerfd_create, error)) return 2;
                EpollPoller poller;
                for (const int microseconds : {1, 300, 1'500, 1'500}) {
                  const TimePoint end = Clock::now() + std::chrono::microseconds(microseconds);
                  if (!poller.wait(std::chrono::microseconds(microseconds)).empty()) return 3;
                  if (Clock::now() < end) return 4;
                }
                return 0;
              }),
              0);
  }
}

TEST(EpollPoller, Rel_F14_NamesTheRemedyWhenTheKernelsWatchesAreUsedUp) {
  EXPECT_EQ(exit_code_of_child([] {
              EpollPoller poller;
              const OwnedFd event = make_event();
              if (!refuse_system_call(SYS_epoll_ctl, ENOSPC)) return 2;
              try {
                poller.add(event.get(), Events::kRead, 1);
                return 3;
              } catch (const std::system_error& error) {
                if (error.code().value() != ENOSPC) return 4;
                if (std::string(error.what()).find("max_user_watches") == std::string::npos)
                  return 5;
              }
              return poller.size() == 0 ? 0 : 6;
            }),
            0);
}

TEST(EpollPoller, Rel_F9_WatchesAnotherEpollSet) {
  EpollPoller poller;
  const OwnedFd outer(epoll_create1(EPOLL_CLOEXEC));
  const OwnedFd event = make_event();
  poller.add(outer.get(), Events::kRead, 1);
  epoll_event interest{};
  interest.events = EPOLLIN;
  ASSERT_EQ(epoll_ctl(outer.get(), EPOLL_CTL_ADD, event.get(), &interest), 0);
  EXPECT_TRUE(poll_now(poller).empty());
  ring(event);
  EXPECT_EQ(events_of(poll_now(poller), 1), Events::kRead);
}

TEST(EpollPoller, Rel_F9_RefusesSetsThatAreNestedTooDeepAndSaysWhy) {
  EpollPoller poller;
  std::vector<OwnedFd> sets;
  sets.emplace_back(epoll_create1(EPOLL_CLOEXEC));
  epoll_event interest{};
  interest.events = EPOLLIN;
  for (bool nested = true; nested;) {  // as deep as the kernel allows
    OwnedFd outer(epoll_create1(EPOLL_CLOEXEC));
    nested = epoll_ctl(outer.get(), EPOLL_CTL_ADD, sets.back().get(), &interest) == 0;
    if (nested) sets.push_back(std::move(outer));
  }
  try {
    poller.add(sets.back().get(), Events::kRead, 1);
    FAIL() << "accepted";
  } catch (const std::system_error& error) {
    EXPECT_TRUE(error.code().value() == ELOOP || error.code().value() == EINVAL) << error.what();
    EXPECT_NE(std::string(error.what()).find("fd " + std::to_string(sets.back().get())),
              std::string::npos)
        << error.what();
  }
  EXPECT_EQ(poller.size(), 0u);
  poller.add(sets.front().get(), Events::kRead, 2);
  EXPECT_TRUE(poll_now(poller).empty());
}

TEST(EpollPoller, Rel_O6_NamesTheCallThatAContainersFilterRefuses) {
  for (const int error_number : {ENOSYS, EPERM}) {
    EXPECT_EQ(exit_code_of_child([error_number] {
                const auto number = static_cast<unsigned>(error_number);
                if (!refuse_system_call(SYS_epoll_create1, number)) return 2;
                try {
                  EpollPoller poller;
                  return 3;
                } catch (const std::system_error& error) {
                  if (error.code().value() != error_number) return 4;
                  if (std::string(error.what()).find("epoll_create1") == std::string::npos)
                    return 5;
                }
                return 0;
              }),
              0);
  }
}

// Looking at a socket drains it, and a drained socket is reported: the poller must not react to its
// own looks for ever.
TEST(EpollPoller, ComesToRestAfterLookingAtItsSockets) {
  zmq::context_t context;
  SocketPair pair(context, zmq::socket_type::pair, zmq::socket_type::pair);
  EpollPoller poller(DrainDetection::kByEdge);
  poller.add(pair.near, Events::kRead, 1);
  const TimePoint end = Clock::now() + std::chrono::milliseconds(50);
  EXPECT_TRUE(poller.wait(std::chrono::milliseconds(50)).empty());
  EXPECT_GE(Clock::now(), end) << "returned early, for nothing";
}

TEST(EpollPoller, ForgetsSocketsThatWereRemovedBeforeItLookedAtThem) {
  zmq::context_t context;
  EpollPoller poller;
  for (int i = 0; i < 100; ++i) {
    SocketPair pair(context, zmq::socket_type::rep, zmq::socket_type::req);
    send(pair.far, "x");
    poller.add(pair.near, Events::kRead, 1);
    if (i % 2 == 0) poll_now(poller);
    EXPECT_TRUE(poller.remove(pair.near));
  }
  EXPECT_TRUE(poll_now(poller).empty());
  EXPECT_EQ(poller.size(), 0u);
}

}  // namespace
}  // namespace zmqloop::testing
