// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Promises of every poller about ZeroMQ sockets: level-triggered in effect, and lossless even if
// other code uses the socket between two waits.

#include <string>
#include <vector>

#include "tests/support/poller_backends.h"
#include "tests/support/zmq_fixture.h"

namespace zmqloop::testing {
namespace {

using zmq::socket_type;

class PollerSockets : public OnEveryBackend {
 protected:
  Events ready(std::uint64_t token) { return events_of(poll_now(*poller_), token); }

  zmq::context_t context_;
};
ZMQLOOP_ON_EVERY_BACKEND(PollerSockets);

TEST_P(PollerSockets, ReportsAMessageWithItsToken) {
  SocketPair pair(context_, socket_type::pull, socket_type::push);
  poller_->add(pair.near, Events::kRead, 7);
  EXPECT_TRUE(poll_now(*poller_).empty());
  send(pair.far, "hello");
  const std::vector<Ready> ready = poll_now(*poller_);
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_EQ(ready[0].pollable, Pollable(pair.near));
  EXPECT_EQ(ready[0].events, Events::kRead);
  EXPECT_EQ(ready[0].token, 7u);
}

TEST_P(PollerSockets, ReportsAMessageThatCameBeforeItWasAdded) {
  SocketPair pair(context_, socket_type::pull, socket_type::push);
  send(pair.far, "early");
  poller_->add(pair.near, Events::kRead, 1);
  EXPECT_EQ(ready(1), Events::kRead);
}

TEST_P(PollerSockets, ReportsUnreadMessagesAgain) {
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  poller_->add(pair.near, Events::kRead, 1);
  send(pair.far, "a");
  send(pair.far, "b");
  EXPECT_EQ(ready(1), Events::kRead);
  EXPECT_EQ(ready(1), Events::kRead) << "nothing was read";
  EXPECT_EQ(receive(pair.near), "a");
  EXPECT_EQ(ready(1), Events::kRead) << "one is left";
  EXPECT_EQ(receive(pair.near), "b");
  EXPECT_TRUE(poll_now(*poller_).empty());
}

TEST_P(PollerSockets, ReportsWhatComesAfterExactlyOneWasRead) {
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  poller_->add(pair.near, Events::kRead, 1);
  for (int round = 0; round < 3; ++round) {
    send(pair.far, "x");
    EXPECT_EQ(ready(1), Events::kRead);
    EXPECT_EQ(receive(pair.near), "x");  // without meeting EAGAIN
    send(pair.far, "y");
    EXPECT_EQ(ready(1), Events::kRead);
    EXPECT_EQ(receive(pair.near), "y");
    EXPECT_TRUE(poll_now(*poller_).empty());
  }
}

TEST_P(PollerSockets, FollowsInterestBothWays) {
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  poller_->add(pair.near, Events::kWrite, 1);
  EXPECT_EQ(ready(1), Events::kWrite);
  poller_->modify(pair.near, Events::kRead);
  EXPECT_TRUE(poll_now(*poller_).empty());
  send(pair.far, "x");
  poller_->modify(pair.near, Events::kWrite);
  EXPECT_EQ(ready(1), Events::kWrite);
  poller_->modify(pair.near, Events::kRead | Events::kWrite);
  EXPECT_EQ(ready(1), Events::kRead | Events::kWrite);
  poller_->modify(pair.near, Events::kNone);
  EXPECT_TRUE(poll_now(*poller_).empty());
  poller_->modify(pair.near, Events::kRead);
  EXPECT_EQ(ready(1), Events::kRead) << "the message came while nobody was interested";
}

TEST_P(PollerSockets, Rel_G6_ReportsWritableAgainWhenThePeerHasReadEnough) {
  zmq::socket_t near(context_, socket_type::push);
  zmq::socket_t far(context_, socket_type::pull);
  near.set(zmq::sockopt::sndhwm, 2);
  far.set(zmq::sockopt::rcvhwm, 2);
  const std::string address = SocketPair::unused_address();
  far.bind(address);
  near.connect(address);
  poller_->add(near, Events::kWrite, 1);
  int sent = 0;
  while (ready(1) == Events::kWrite) {
    send(near, "x");
    ++sent;
  }
  ASSERT_GT(sent, 0);
  while (receive(far)) {
  }
  EXPECT_EQ(ready(1), Events::kWrite);
}

TEST_P(PollerSockets, ReportsReqAndRepAsTheyFlip) {
  SocketPair pair(context_, socket_type::rep, socket_type::req);
  poller_->add(pair.near, Events::kRead | Events::kWrite, 1);
  poller_->add(pair.far, Events::kRead | Events::kWrite, 2);
  for (int round = 0; round < 3; ++round) {
    std::vector<Ready> now = poll_now(*poller_);
    EXPECT_EQ(events_of(now, 1), Events::kNone);
    EXPECT_EQ(events_of(now, 2), Events::kWrite);
    send(pair.far, "request");
    now = poll_now(*poller_);
    EXPECT_EQ(events_of(now, 1), Events::kRead);
    EXPECT_EQ(events_of(now, 2), Events::kNone);
    EXPECT_EQ(receive(pair.near), "request");
    now = poll_now(*poller_);
    EXPECT_EQ(events_of(now, 1), Events::kWrite);
    send(pair.near, "reply");
    now = poll_now(*poller_);
    EXPECT_EQ(events_of(now, 1), Events::kNone);
    EXPECT_EQ(events_of(now, 2), Events::kRead);
    EXPECT_EQ(receive(pair.far), "reply");
  }
}

TEST_P(PollerSockets, ReportsTheNextRequestOfAnotherPeerOnceRepHasAnswered) {
  SocketPair pair(context_, socket_type::rep, socket_type::req);
  zmq::socket_t other(context_, socket_type::req);
  other.set(zmq::sockopt::linger, 0);
  other.connect(pair.near.get(zmq::sockopt::last_endpoint));
  poller_->add(pair.near, Events::kRead, 1);
  send(pair.far, "first");
  send(other, "second");
  EXPECT_EQ(ready(1), Events::kRead);
  EXPECT_EQ(receive(pair.near), "first");
  EXPECT_TRUE(poll_now(*poller_).empty()) << "REP reads nothing before it has answered";
  send(pair.near, "answer");
  EXPECT_EQ(ready(1), Events::kRead) << "no signal announces this";
}

// Other code on the thread may take the signal of a message that it does not read. zmq_send does so
// if it has not looked for 3,000,000 ticks of the time stamp counter, some 1.15 ms. That is the
// only reason to wait here. We wait busily, like a callback that computes.
void let_the_throttle_of_zmq_send_expire() {
  const TimePoint end = Clock::now() + std::chrono::microseconds(3'500);
  while (Clock::now() < end) {
  }
}

TEST_P(PollerSockets, ReportsAMessageWhoseSignalASendHasTaken) {
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  poller_->add(pair.near, Events::kRead, 1);
  for (int round = 0; round < 3; ++round) {
    EXPECT_TRUE(poll_now(*poller_).empty());
    EXPECT_TRUE(poll_now(*poller_).empty());
    let_the_throttle_of_zmq_send_expire();
    send(pair.far, "x");
    send(pair.near, "y");
    EXPECT_EQ(ready(1), Events::kRead);
    EXPECT_EQ(receive(pair.near), "x");
    EXPECT_EQ(receive(pair.near), std::nullopt);
    EXPECT_EQ(receive(pair.far), "y");
  }
}

TEST_P(PollerSockets, ReportsAMessageWhoseSignalAQueryHasTaken) {
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  poller_->add(pair.near, Events::kRead, 1);
  EXPECT_TRUE(poll_now(*poller_).empty());
  send(pair.far, "x");
  EXPECT_NE(pair.near.get(zmq::sockopt::events) & ZMQ_POLLIN, 0);
  EXPECT_EQ(ready(1), Events::kRead);
}

TEST_P(PollerSockets, ReportsAMessageWhoseSignalReadyNowHasTaken) {
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  poller_->add(pair.near, Events::kRead, 1);
  EXPECT_EQ(poller_->ready_now(pair.near), Events::kNone);
  send(pair.far, "x");
  EXPECT_EQ(poller_->ready_now(pair.near), Events::kRead);
  EXPECT_EQ(poller_->ready_now(pair.near), Events::kRead);
  EXPECT_EQ(ready(1), Events::kRead);
}

TEST_P(PollerSockets, ReportsAfterTouchWhatAConnectBrought) {
  zmq::socket_t peer(context_, socket_type::push);
  zmq::socket_t socket(context_, socket_type::pull);
  const std::string address = SocketPair::unused_address();
  peer.bind(address);
  poller_->add(socket, Events::kRead, 1);
  EXPECT_TRUE(poll_now(*poller_).empty());
  socket.connect(address);
  send(peer, "x", zmq::send_flags::none);
  poller_->touch(socket);
  EXPECT_EQ(ready(1), Events::kRead);
}

TEST_P(PollerSockets, FindsAForgottenTouchWhenItBecomesQuiet) {
  zmq::socket_t peer(context_, socket_type::push);
  zmq::socket_t socket(context_, socket_type::pull);
  const std::string address = SocketPair::unused_address();
  peer.bind(address);
  poller_->add(socket, Events::kRead, 1);
  EXPECT_TRUE(poll_now(*poller_).empty());
  socket.connect(address);
  send(peer, "x", zmq::send_flags::none);
  EXPECT_EQ(events_of(wait_for_any(*poller_), 1), Events::kRead);
}

TEST_P(PollerSockets, RefusesASecondRegistrationAndKeepsTheFirst) {
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  poller_->add(pair.near, Events::kWrite, 1);
  EXPECT_THROW(poller_->add(pair.near, Events::kRead, 2), std::invalid_argument);
  EXPECT_THROW(poller_->add(zmq::socket_ref(pair.near), Events::kRead, 2), std::invalid_argument);
  EXPECT_EQ(poller_->size(), 1u);
  EXPECT_EQ(ready(1), Events::kWrite);
}

TEST_P(PollerSockets, RefusesUnknownNullAndClosedOnes) {
  zmq::socket_t socket(context_, socket_type::pair);
  EXPECT_THROW(poller_->modify(socket, Events::kRead), std::invalid_argument);
  EXPECT_THROW(poller_->touch(socket), std::invalid_argument);
  EXPECT_FALSE(poller_->remove(socket));
  EXPECT_THROW(poller_->add(zmq::socket_ref(), Events::kRead), std::invalid_argument);
  // Held open by its context, so that the closed handle is not freed memory yet.
  const Pollable closed = zmq::socket_ref(socket);
  socket.close();
  try {
    poller_->add(closed, Events::kRead);
    FAIL() << "accepted";
  } catch (const zmq::error_t& error) {
    EXPECT_EQ(error.num(), ENOTSOCK);
    EXPECT_NE(std::string(error.what()).find("Poller::add"), std::string::npos) << error.what();
  }
}

TEST_P(PollerSockets, RemovedOnesAreSilentAndMayReturn) {
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  send(pair.far, "x");
  poller_->add(pair.near, Events::kRead, 1);
  EXPECT_EQ(ready(1), Events::kRead);
  EXPECT_TRUE(poller_->remove(pair.near));
  EXPECT_FALSE(poller_->remove(pair.near));
  EXPECT_TRUE(poll_now(*poller_).empty());
  poller_->add(pair.near, Events::kRead, 2);
  EXPECT_EQ(ready(2), Events::kRead);
}

TEST_P(PollerSockets, StaysRegisteredWhenItsObjectMoves) {
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  poller_->add(pair.near, Events::kRead, 1);
  zmq::socket_t moved = std::move(pair.near);
  send(pair.far, "x");
  EXPECT_EQ(ready(1), Events::kRead);
  poller_->modify(moved, Events::kNone);
  EXPECT_TRUE(poller_->remove(moved));
}

TEST_P(PollerSockets, ServesDescriptorsBesideSocketsThatAreAlwaysReady) {
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  const OwnedFd event = make_event();
  poller_->add(pair.near, Events::kWrite, 1);
  poller_->add(event.get(), Events::kRead, 2);
  EXPECT_EQ(ready(1), Events::kWrite);
  ring(event);
  const std::vector<Ready> now = poll_now(*poller_);
  EXPECT_EQ(events_of(now, 1), Events::kWrite);
  EXPECT_EQ(events_of(now, 2), Events::kRead);
}

TEST_P(PollerSockets, FindsTheOneReadyAmongAThousand) {
  context_.set(zmq::ctxopt::max_sockets, 2'100);
  std::vector<SocketPair> pairs;
  for (std::uint64_t token = 0; token < 1'000; ++token) {
    pairs.emplace_back(context_, socket_type::pull, socket_type::push);
    poller_->add(pairs.back().near, Events::kRead, token);
  }
  EXPECT_TRUE(poll_now(*poller_).empty());
  for (const std::size_t index : {0u, 500u, 999u}) {
    send(pairs[index].far, "x");
    const std::vector<Ready> now = poll_now(*poller_);
    ASSERT_EQ(now.size(), 1u);
    EXPECT_EQ(now[0].token, index);
    EXPECT_EQ(receive(pairs[index].near), "x");
    EXPECT_TRUE(poll_now(*poller_).empty());
  }
  for (SocketPair& pair : pairs) send(pair.far, "x");
  EXPECT_EQ(poll_now(*poller_).size(), 1'000u);
}

TEST_P(PollerSockets, WaitsForMessagesOverTcp) {
  SocketPair pair(context_, socket_type::pull, socket_type::push, kLoopbackTcp);
  poller_->add(pair.near, Events::kRead, 1);
  for (int round = 0; round < 10; ++round) {
    send(pair.far, std::to_string(round), zmq::send_flags::none);
    EXPECT_EQ(events_of(wait_for_any(*poller_), 1), Events::kRead);
    EXPECT_EQ(receive(pair.near), std::to_string(round));
  }
}

}  // namespace
}  // namespace zmqloop::testing
