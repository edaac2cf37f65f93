// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Promises of every poller about raw descriptors.

#include <algorithm>
#include <fcntl.h>
#include <sys/resource.h>
#include <system_error>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/poller_backends.h"
#include "tests/support/zmq_fixture.h"

namespace zmqloop::testing {
namespace {

using PollerDescriptors = OnEveryBackend;
ZMQLOOP_ON_EVERY_BACKEND(PollerDescriptors);

TEST_P(PollerDescriptors, ReportsAReadableOneWithItsToken) {
  const OwnedFd event = make_event();
  poller_->add(event.get(), Events::kRead, 42);
  EXPECT_TRUE(poll_now(*poller_).empty());
  ring(event);
  const std::vector<Ready> ready = poll_now(*poller_);
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_EQ(ready[0].pollable, Pollable(event.get()));
  EXPECT_EQ(ready[0].events, Events::kRead);
  EXPECT_EQ(ready[0].token, 42u);
  EXPECT_EQ(ready[0].error, 0);
}

TEST_P(PollerDescriptors, ReportsUnreadDataAgain) {
  const auto [near, far] = make_stream();
  poller_->add(near, Events::kRead, 1);
  ASSERT_EQ(write(far.get(), "ab", 2), 2);
  EXPECT_EQ(events_of(poll_now(*poller_), 1), Events::kRead);
  char byte;
  ASSERT_EQ(read(near.get(), &byte, 1), 1);
  EXPECT_EQ(events_of(poll_now(*poller_), 1), Events::kRead) << "one byte is left";
  ASSERT_EQ(read(near.get(), &byte, 1), 1);
  EXPECT_TRUE(poll_now(*poller_).empty());
}

TEST_P(PollerDescriptors, ReportsBothDirectionsInOneEntry) {
  const OwnedFd event = make_event(/*readable=*/true);
  poller_->add(event.get(), Events::kRead | Events::kWrite, 1);
  const std::vector<Ready> ready = poll_now(*poller_);
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_EQ(ready[0].events, Events::kRead | Events::kWrite);
}

TEST_P(PollerDescriptors, FollowsInterestBothWays) {
  const OwnedFd event = make_event(/*readable=*/true);
  poller_->add(event.get(), Events::kWrite, 1);
  EXPECT_EQ(events_of(poll_now(*poller_), 1), Events::kWrite);
  poller_->modify(event.get(), Events::kRead);
  EXPECT_EQ(events_of(poll_now(*poller_), 1), Events::kRead);
  poller_->modify(event.get(), Events::kNone);
  EXPECT_TRUE(poll_now(*poller_).empty());
  poller_->modify(event.get(), Events::kRead | Events::kWrite);
  EXPECT_EQ(events_of(poll_now(*poller_), 1), Events::kRead | Events::kWrite);
}

TEST_P(PollerDescriptors, ReportsAHangUpWholeAndUnasked) {
  auto [near, far] = make_stream();
  poller_->add(near, Events::kNone, 1);
  EXPECT_TRUE(poll_now(*poller_).empty());
  far.close();
  EXPECT_EQ(events_of(poll_now(*poller_), 1), Events::kError);
  EXPECT_EQ(poll_now(*poller_).at(0).error, 0) << "the registration has not ended";
}

TEST_P(PollerDescriptors, Rel_F11_ReportsAHalfCloseAsReadableAndAResetAsAnError) {
  auto [near, far] = make_stream();
  poller_->add(near, Events::kRead | Events::kWrite, 1);
  EXPECT_EQ(events_of(poll_now(*poller_), 1), Events::kWrite);
  ASSERT_EQ(shutdown(far.get(), SHUT_WR), 0);
  EXPECT_EQ(events_of(poll_now(*poller_), 1), Events::kRead | Events::kWrite);
  char byte;
  EXPECT_EQ(read(near.get(), &byte, 1), 0) << "the end of what the peer sends";
  ASSERT_EQ(write(near.get(), "x", 1), 1) << "which may go on reading";
  far.close();  // with a byte unread: a reset
  const Events events = events_of(poll_now(*poller_), 1);
  EXPECT_EQ(events & Events::kError, Events::kError);
  EXPECT_EQ(poller_->size(), 1u) << "the registration is its owner's to end";
}

TEST_P(PollerDescriptors, EndsAWaitWithoutTimeout) {
  const OwnedFd event = make_event(/*readable=*/true);
  poller_->add(event.get(), Events::kRead, 1);
  EXPECT_EQ(poller_->wait(std::nullopt).size(), 1u);
}

TEST_P(PollerDescriptors, RefusesASecondRegistrationAndKeepsTheFirst) {
  const OwnedFd event = make_event(/*readable=*/true);
  poller_->add(event.get(), Events::kRead, 1);
  EXPECT_THROW(poller_->add(event.get(), Events::kWrite, 2), std::invalid_argument);
  EXPECT_EQ(poller_->size(), 1u);
  const std::vector<Ready> ready = poll_now(*poller_);
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_EQ(ready[0].token, 1u);
  EXPECT_EQ(ready[0].events, Events::kRead);
}

TEST_P(PollerDescriptors, RefusesUnknownOnesExceptToRemove) {
  const OwnedFd event = make_event();
  EXPECT_THROW(poller_->modify(event.get(), Events::kRead), std::invalid_argument);
  EXPECT_THROW(poller_->touch(event.get()), std::invalid_argument);
  EXPECT_THROW(poller_->ready_now(event.get()), std::invalid_argument);
  EXPECT_FALSE(poller_->remove(event.get()));
}

TEST_P(PollerDescriptors, RefusesNegativeNumbers) {
  EXPECT_THROW(poller_->add(-1, Events::kRead), std::invalid_argument);
  EXPECT_THROW(poller_->add(OwnedFd(), Events::kRead), std::invalid_argument);
  EXPECT_FALSE(poller_->remove(-1));
  EXPECT_EQ(poller_->size(), 0u);
}

TEST_P(PollerDescriptors, Rel_F13_RefusesUnknownEventsByName) {
  const OwnedFd event = make_event();
  const Events priority = static_cast<Events>(2);
  try {
    poller_->add(event.get(), Events::kRead | priority);
    FAIL() << "accepted";
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string(error.what()).find("read|0x2"), std::string::npos) << error.what();
  }
  poller_->add(event.get(), Events::kRead);
  EXPECT_THROW(poller_->modify(event.get(), priority), std::invalid_argument);
}

// Returns the errno that adding `fd` fails with; 0 if it does not fail.
int error_of_add(Poller& poller, int fd) {
  try {
    poller.add(fd, Events::kRead);
  } catch (const std::system_error& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("Poller::add"), std::string::npos) << text;
    EXPECT_NE(text.find("fd " + std::to_string(fd)), std::string::npos) << text;
    EXPECT_NE(text.find(error.code().message()), std::string::npos) << text;
    return error.code().value();
  }
  return 0;
}

TEST_P(PollerDescriptors, Rel_F8_P3_RefusesFilesAndDirectories) {
  const OwnedFd file(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const OwnedFd directory(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_EQ(error_of_add(*poller_, file.get()), EPERM);
  EXPECT_EQ(error_of_add(*poller_, directory.get()), EPERM);
  EXPECT_EQ(poller_->size(), 0u);
}

TEST_P(PollerDescriptors, RefusesClosedOnes) {
  OwnedFd event = make_event();
  const int number = event.get();
  event.close();
  EXPECT_EQ(error_of_add(*poller_, number), EBADF);
  EXPECT_EQ(poller_->size(), 0u);
}

TEST_P(PollerDescriptors, RemovedOnesAreSilentAndMayReturn) {
  const OwnedFd event = make_event(/*readable=*/true);
  poller_->add(event.get(), Events::kRead, 1);
  EXPECT_TRUE(poller_->remove(event.get()));
  EXPECT_FALSE(poller_->remove(event.get()));
  EXPECT_TRUE(poll_now(*poller_).empty());
  EXPECT_EQ(poller_->size(), 0u);
  poller_->add(event.get(), Events::kRead, 2);
  EXPECT_EQ(events_of(poll_now(*poller_), 2), Events::kRead);
}

TEST_P(PollerDescriptors, MayBeAddedChangedAndRemovedWhileTheSpanIsRead) {
  std::vector<OwnedFd> events;
  for (std::uint64_t token = 0; token < 16; ++token) {
    events.push_back(make_event(/*readable=*/true));
    poller_->add(events.back().get(), Events::kRead, token);
  }
  std::vector<OwnedFd> later;
  std::size_t seen = 0;
  for (const Ready& ready : poller_->wait(Duration::zero())) {
    ++seen;
    EXPECT_EQ(ready.pollable.fd(), events[ready.token].get());
    poller_->remove(events[(ready.token + 1) % events.size()].get());
    later.push_back(make_event());
    poller_->add(later.back().get(), Events::kRead, 100 + ready.token);
    poller_->modify(later.back().get(), Events::kRead | Events::kWrite);
  }
  EXPECT_EQ(seen, 16u);
  EXPECT_EQ(poller_->size(), later.size()) << "each of the old ones was removed once";
  EXPECT_EQ(poll_now(*poller_).size(), later.size());
}

TEST_P(PollerDescriptors, AnswersReadyNowWithinTheInterest) {
  const OwnedFd event = make_event(/*readable=*/true);
  poller_->add(event.get(), Events::kRead);
  EXPECT_EQ(poller_->ready_now(event.get()), Events::kRead);
  poller_->modify(event.get(), Events::kWrite);
  EXPECT_EQ(poller_->ready_now(event.get()), Events::kWrite);
  poller_->modify(event.get(), Events::kNone);
  EXPECT_EQ(poller_->ready_now(event.get()), Events::kNone);
}

TEST_P(PollerDescriptors, AcceptsATouchAsHarmless) {
  const OwnedFd event = make_event();
  poller_->add(event.get(), Events::kRead);
  poller_->touch(event.get());
  EXPECT_TRUE(poll_now(*poller_).empty());
}

TEST_P(PollerDescriptors, Rel_F15_ServesAllOfManyReadyOnesWithinTwoRounds) {
  constexpr std::uint64_t kCount = 4'096;
  std::vector<OwnedFd> events;
  for (std::uint64_t token = 0; token < kCount; ++token) {
    events.push_back(make_event(/*readable=*/true));
    poller_->add(events.back().get(), Events::kRead, token);
  }
  std::vector<int> served(kCount);
  for (int round = 0; round < 2; ++round) {
    for (const Ready& ready : poller_->wait(Duration::zero())) ++served[ready.token];
  }
  EXPECT_EQ(std::count(served.begin(), served.end(), 0), 0) << "never served";
}

// A sandbox lowers the limit once everything is open. poll(2) then refuses the registrations, and
// libzmq would end the process.
TEST_P(PollerDescriptors, Rel_G7_ServeOrThrowWhenTheLimitOfOpenFilesIsLowered) {
  std::vector<OwnedFd> events;
  for (std::uint64_t i = 0; i < 40; ++i) {
    events.push_back(make_event());
    poller_->add(events.back().get(), Events::kRead, i);
  }
  const ChildResult result = run_in_child([&] {
    // The child may not use the parent's poller.
    std::unique_ptr<Poller> poller = make_backend(GetParam());
    for (std::uint64_t i = 0; i < 40; ++i) poller->add(events[i].get(), Events::kRead, i);
    const rlimit lowered{20, 20};
    ZMQLOOP_CHILD_EXPECT(setrlimit(RLIMIT_NOFILE, &lowered) == 0);
    ring(events[30]);
    try {
      for (int i = 0; i < 2; ++i) {
        ZMQLOOP_CHILD_EXPECT(events_of(wait_for_any(*poller), 30) == Events::kRead);
      }
    } catch (const std::system_error& error) {
      const std::string text = error.what();
      ZMQLOOP_CHILD_EXPECT(text.find("RLIMIT_NOFILE") != std::string::npos);
      ZMQLOOP_CHILD_EXPECT(text.find("40 are registered") != std::string::npos);
      ZMQLOOP_CHILD_EXPECT(GetParam() == Backend::kZmqPoll);
    }
    return 0;
  });
  EXPECT_TRUE(result.ok()) << result;
}

TEST_P(PollerDescriptors, AfterCloseEverythingIsRefusedButRemove) {
  const OwnedFd event = make_event();
  poller_->add(event.get(), Events::kRead);
  poller_->close();
  poller_->close();
  EXPECT_EQ(poller_->size(), 0u);
  EXPECT_THROW(poller_->add(event.get(), Events::kRead), std::logic_error);
  EXPECT_THROW(poller_->wait(Duration::zero()), std::logic_error);
  EXPECT_FALSE(poller_->remove(event.get()));
}

}  // namespace
}  // namespace zmqloop::testing
