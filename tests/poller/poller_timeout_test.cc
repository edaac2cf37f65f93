// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Promises of every poller about time. Lower bounds are promised and tested; upper bounds depend on
// the machine.

#include <csignal>
#include <limits>
#include <thread>

#include "tests/support/poller_backends.h"
#include "tests/support/zmq_fixture.h"

namespace zmqloop::testing {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

class PollerTimeout : public OnEveryBackend {
 protected:
  // Waits once, for `timeout`. Returns how much too early the wait ended, or zero.
  Duration earliness(Duration timeout) {
    const TimePoint end = Clock::now() + timeout;
    EXPECT_TRUE(poller_->wait(timeout).empty());
    return std::max(end - Clock::now(), Duration::zero());
  }
};
ZMQLOOP_ON_EVERY_BACKEND(PollerTimeout);

constexpr Duration kTimeouts[] = {microseconds(1),  microseconds(300), microseconds(1'001),
                                  milliseconds(3),  milliseconds(99),  milliseconds(101),
                                  milliseconds(150)};

TEST_P(PollerTimeout, AnEmptyPollerSleepsForIt) {
  for (const Duration timeout : kTimeouts) EXPECT_EQ(earliness(timeout), Duration::zero());
}

TEST_P(PollerTimeout, IsNeverEarlyWithAnIdleDescriptor) {
  const OwnedFd event = make_event();
  poller_->add(event.get(), Events::kRead);
  for (const Duration timeout : kTimeouts) EXPECT_EQ(earliness(timeout), Duration::zero());
}

TEST_P(PollerTimeout, IsNeverEarlyWithAnIdleSocket) {
  zmq::context_t context;
  SocketPair pair(context, zmq::socket_type::pair, zmq::socket_type::pair);
  poller_->add(pair.near, Events::kRead);
  for (const Duration timeout : kTimeouts) EXPECT_EQ(earliness(timeout), Duration::zero());
}

TEST_P(PollerTimeout, IsNeverEarlyWithInternalRegistrationsOnly) {
  const OwnedFd event = make_event();
  poller_->add(event.get(), Events::kRead, kInternalToken);
  EXPECT_EQ(earliness(milliseconds(120)), Duration::zero());
}

TEST_P(PollerTimeout, OfZeroOrLessDoesNotSleep) {
  // These would hang if the timeout were read as unsigned or as "for ever".
  EXPECT_TRUE(poller_->wait(Duration::zero()).empty());
  EXPECT_TRUE(poller_->wait(-milliseconds(1)).empty());
  EXPECT_TRUE(poller_->wait(Duration::min()).empty());
}

TEST_P(PollerTimeout, BeyondAllBoundsStillReportsWhatIsReady) {
  const OwnedFd event = make_event(/*readable=*/true);
  poller_->add(event.get(), Events::kRead, 1);
  for (const Duration timeout : {Duration::max(), Duration(std::chrono::hours(24 * 100))}) {
    EXPECT_EQ(poller_->wait(timeout).size(), 1u);
  }
}

TEST_P(PollerTimeout, Rel_J4_BeyondAllBoundsSleepsUntilSomethingComes) {
  for (const std::optional<Duration> timeout :
       {std::optional<Duration>(), std::optional(Duration::max()),
        std::optional(Duration(std::chrono::hours(24 * 50)))}) {
    OwnedFd event = make_event();
    poller_->add(event.get(), Events::kRead, 1);
    std::thread ringer([&event] { ring(event); });
    Events events = Events::kNone;
    while (!any(events)) {
      for (const Ready& ready : poller_->wait(timeout)) events = ready.events;
    }
    ringer.join();
    EXPECT_EQ(events, Events::kRead);
    poller_->remove(event.get());
  }
}

volatile std::sig_atomic_t handled = 0;
void count_signal(int) { handled = handled + 1; }

TEST_P(PollerTimeout, ASignalHandlerEndsAWaitWithAnEmptySpan) {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = count_signal;
  action.sa_flags = SA_RESTART;
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  const OwnedFd event = make_event();
  poller_->add(event.get(), Events::kRead, kInternalToken);
  handled = 0;
  std::atomic<bool> woken{false};
  const pthread_t waiter = pthread_self();
  // Sends signals until one hits the wait; those before it interrupt nothing.
  std::thread signaller([&] {
    while (!woken) {
      pthread_kill(waiter, SIGUSR1);
      std::this_thread::yield();
    }
  });
  EXPECT_TRUE(poller_->wait(std::nullopt).empty());
  woken = true;
  signaller.join();
  EXPECT_GT(handled, 0);
  sigaction(SIGUSR1, &before, nullptr);
}

}  // namespace
}  // namespace zmqloop::testing
