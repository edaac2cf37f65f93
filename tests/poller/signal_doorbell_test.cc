// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/signal_doorbell.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <limits>
#include <thread>

#include "tests/support/zmq_fixture.h"

#include "zmqloop/poller/poller.h"

namespace zmqloop::testing {
namespace {

class SignalDoorbellInAPoller : public ::testing::TestWithParam<PollerKind> {
 protected:
  SignalDoorbellInAPoller() { poller_->add(bell_.fd(), Events::kRead, kInternalToken); }

  bool is_rung() { return any(events_of(poll_now(*poller_), kInternalToken)); }

  SignalDoorbell bell_;
  std::unique_ptr<Poller> poller_ = make_poller(GetParam());
};
INSTANTIATE_TEST_SUITE_P(Kinds, SignalDoorbellInAPoller,
                         ::testing::Values(PollerKind::kEpoll, PollerKind::kZmqPoll),
                         [](const auto& kind) {
                           return kind.param == PollerKind::kEpoll ? "Epoll" : "ZmqPoll";
                         });

TEST_P(SignalDoorbellInAPoller, IsSilentUntilRungAndAfterItsDrain) {
  EXPECT_FALSE(is_rung());
  bell_.drain();
  for (int round = 0; round < 3; ++round) {
    bell_.ring();
    bell_.ring();
    EXPECT_TRUE(is_rung());
    EXPECT_TRUE(is_rung()) << "nobody drained it";
    bell_.drain();
    EXPECT_FALSE(is_rung());
  }
}

TEST_P(SignalDoorbellInAPoller, Rel_A6_IsRungWhenItsCounterIsFull) {
  constexpr std::uint64_t kFull = std::numeric_limits<std::uint64_t>::max() - 1;
  ASSERT_EQ(eventfd_write(bell_.fd(), kFull), 0);
  ASSERT_EQ(eventfd_write(bell_.fd(), 1), -1);
  ASSERT_EQ(errno, EAGAIN);
  errno = 4711;
  bell_.ring();
  EXPECT_EQ(errno, 4711);
  EXPECT_TRUE(is_rung());
  bell_.drain();
  EXPECT_FALSE(is_rung());
}

SignalDoorbell* handlers_bell = nullptr;
volatile std::sig_atomic_t handler_runs = 0;

void ring_from_handler(int) {
  handlers_bell->ring();
  handler_runs = handler_runs + 1;
}

TEST_P(SignalDoorbellInAPoller, EndsAWaitWhenRungByAHandlerOnAnyThread) {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = ring_from_handler;
  handlers_bell = &bell_;
  handler_runs = 0;
  ASSERT_EQ(sigaction(SIGUSR2, &action, &before), 0);
  for (int round = 1; round <= 100; ++round) {
    std::thread other([] { raise(SIGUSR2); });
    EXPECT_FALSE(wait_for_any(*poller_).empty());
    bell_.drain();
    other.join();
    EXPECT_EQ(handler_runs, 2 * round - 1);
    errno = 4711;
    raise(SIGUSR2);
    EXPECT_EQ(errno, 4711);
    EXPECT_TRUE(is_rung());
    bell_.drain();
  }
  sigaction(SIGUSR2, &before, nullptr);
}

TEST(SignalDoorbell, IsClosedInExecutedProgramsAndDoesNotBlock) {
  const SignalDoorbell bell;
  EXPECT_NE(fcntl(bell.fd(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(fcntl(bell.fd(), F_GETFL) & O_NONBLOCK, 0);
}

TEST(SignalDoorbell, IsLeftAloneInAForkedChild) {
  SignalDoorbell bell;
  const std::unique_ptr<Poller> poller = make_poller(PollerKind::kEpoll);
  poller->add(bell.fd(), Events::kRead, kInternalToken);
  EXPECT_EQ(exit_code_of_child([&] {
              bell.ring();
              return 0;
            }),
            0);
  EXPECT_TRUE(poll_now(*poller).empty()) << "the child rang it";
  bell.ring();
  EXPECT_EQ(exit_code_of_child([&] {
              bell.drain();
              return 0;
            }),
            0);
  EXPECT_EQ(poll_now(*poller).size(), 1u) << "the child drained it";
}

}  // namespace
}  // namespace zmqloop::testing
