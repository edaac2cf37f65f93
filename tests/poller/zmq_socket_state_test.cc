// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The poller relies on this behaviour of libzmq's REQ and REP sockets, which take turns to send and
// to receive: if a look found nothing to do, that cannot change without a signal.

#include <array>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <sys/epoll.h>
#include <vector>

#include "tests/support/zmq_fixture.h"

#include "zmqloop/poller/epoll_set.h"
#include "zmqloop/poller/zmq_socket_state.h"

namespace zmqloop::testing {
namespace {

using zmq::socket_type;

// Failures: G14
TEST(ZmqSocketState, KnowsWhichSocketsAlternate) {
  zmq::context_t context;
  for (const socket_type type : {socket_type::req, socket_type::rep}) {
    zmq::socket_t socket(context, type);
    EXPECT_TRUE(alternates(socket.handle()));
  }
  for (const socket_type type :
       {socket_type::pair, socket_type::pub, socket_type::sub, socket_type::xpub, socket_type::xsub,
        socket_type::push, socket_type::pull, socket_type::dealer, socket_type::router}) {
    zmq::socket_t socket(context, type);
    EXPECT_FALSE(alternates(socket.handle()));
  }
}

// A socket as the poller watches it: a look, then the reports of its descriptor.
class Watched {
 public:
  explicit Watched(zmq::socket_t& socket) : socket_(socket) {
    EXPECT_EQ(set_.add(read_socket_descriptor(socket.handle()).value, EPOLLIN | EPOLLOUT | EPOLLET,
                       /*data=*/1),
              0);
  }

  // Looks until nothing is reported any more: a look that takes in a signal is itself reported.
  Events look() {
    saw_signal_ = false;
    for (;;) {
      const Events events = read_socket_state(socket_.handle()).events;
      if (!was_signalled()) return events;
      saw_signal_ = true;
    }
  }
  // Returns whether the last look met a signal. After a peer is closed, libzmq's own thread does
  // the rest, so signals come at any moment.
  bool saw_signal() const { return saw_signal_; }

  bool was_signalled() {
    epoll_event report;
    return set_.wait({&report, 1}, kAtOnce) > 0;
  }

 private:
  zmq::socket_t& socket_;
  EpollSet set_;
  bool saw_signal_ = false;
};

// Random operations on a watched socket and at its other ends. All run over inproc and on one
// thread, so that most signals are there when the call returns.
class Conversation {
 public:
  enum class Who { kReq, kRelaxedReq, kRep };

  Conversation(std::uint32_t seed, Who who)
      : random_(seed),
        watched_type_(who == Who::kRep ? socket_type::rep : socket_type::req),
        peer_type_(who == Who::kRep ? socket_type::dealer : socket_type::router),
        socket_(context_, watched_type_) {
    if (who == Who::kRelaxedReq) {
      socket_.set(zmq::sockopt::req_relaxed, true);
      socket_.set(zmq::sockopt::req_correlate, true);
    }
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::sndhwm, 2);
    socket_.set(zmq::sockopt::rcvhwm, 2);
    socket_.bind(address_);
  }

  zmq::socket_t& socket() { return socket_; }

  void do_something() {
    switch (choose(8)) {
      case 0:
      case 1:
        zmq_send(socket_.handle(), "reply", 5, ZMQ_DONTWAIT | (choose(4) == 0 ? ZMQ_SNDMORE : 0));
        break;
      case 2:
      case 3:
        receive_one(socket_);
        break;
      case 4:
        connect_or_leave();
        break;
      case 5:
        static_cast<void>(socket_.get(zmq::sockopt::rcvmore));
        break;
      default:
        let_a_peer_act();
    }
  }

 private:
  // Fails quietly if it is not the socket's turn to receive, or if there is no message.
  static void receive_one(zmq::socket_t& socket) {
    zmq::message_t message;
    zmq_msg_recv(message.handle(), socket.handle(), ZMQ_DONTWAIT);
  }

  std::size_t choose(std::size_t count) { return random_() % count; }

  void connect_or_leave() {
    std::optional<zmq::socket_t>& peer = peers_[choose(peers_.size())];
    if (peer) {
      peer.reset();
      return;
    }
    peer.emplace(context_, peer_type_);
    peer->set(zmq::sockopt::linger, 0);
    peer->set(zmq::sockopt::rcvhwm, 2);
    peer->connect(address_);
  }

  void let_a_peer_act() {
    std::optional<zmq::socket_t>& peer = peers_[choose(peers_.size())];
    if (!peer) return;
    if (peer_type_ == socket_type::dealer && choose(3) != 0) {
      const bool whole = choose(4) != 0;
      zmq_send(peer->handle(), "", 0, ZMQ_DONTWAIT | (choose(8) != 0 ? ZMQ_SNDMORE : 0));
      zmq_send(peer->handle(), "request", 7, ZMQ_DONTWAIT | (whole ? 0 : ZMQ_SNDMORE));
      return;
    }
    // A ROUTER answers with the frames that it got, sometimes twice.
    std::vector<zmq::message_t> frames;
    for (bool more = true; more;) {
      zmq::message_t frame;
      if (zmq_msg_recv(frame.handle(), peer->handle(), ZMQ_DONTWAIT) < 0) break;
      more = frame.more();
      frames.push_back(std::move(frame));
    }
    if (peer_type_ != socket_type::router) return;
    for (std::size_t copies = choose(3); copies > 0; --copies) {
      for (std::size_t i = 0; i < frames.size(); ++i) {
        const int flags = ZMQ_DONTWAIT | (i + 1 < frames.size() ? ZMQ_SNDMORE : 0);
        zmq_send(peer->handle(), frames[i].data(), frames[i].size(), flags);
      }
    }
  }

  std::mt19937 random_;
  const socket_type watched_type_;
  const socket_type peer_type_;
  const std::string address_ = SocketPair::unused_address();
  zmq::context_t context_{0};
  zmq::socket_t socket_;
  std::array<std::optional<zmq::socket_t>, 4> peers_;
};

struct Flips {
  int after_nothing = 0;    // unsignalled changes of sockets that had nothing to do
  int after_something = 0;  // of sockets that had something to do
};

Flips unsignalled_changes(Conversation::Who who, std::uint32_t seeds, int steps) {
  Flips flips;
  for (std::uint32_t seed = 1; seed <= seeds; ++seed) {
    Conversation conversation(seed, who);
    Watched watched(conversation.socket());
    std::mt19937 random(~seed);
    Events before = watched.look();
    for (int step = 0; step < steps; ++step) {
      conversation.do_something();
      if (watched.was_signalled()) {
        before = watched.look();
      } else if (random() % 4 == 0) {  // not after each step: a look has an effect of its own
        const Events now = watched.look();
        if (any(now & ~before) && !watched.saw_signal()) ++(any(before) ? flips.after_something : flips.after_nothing);
        before = now;
      }
    }
  }
  return flips;
}

// Without the second expectation the first would hold of sockets that never change.
TEST(ZmqSocketState, Rel_G1_OfReqAndRepNeverChangesWithoutASignalIfThereWasNothingToDo) {
  for (const auto who :
       {Conversation::Who::kReq, Conversation::Who::kRelaxedReq, Conversation::Who::kRep}) {
    const Flips flips = unsignalled_changes(who, /*seeds=*/100, /*steps=*/400);
    EXPECT_EQ(flips.after_nothing, 0) << "sockets of kind " << static_cast<int>(who);
    EXPECT_GT(flips.after_something, 0) << "sockets of kind " << static_cast<int>(who);
  }
}

}  // namespace
}  // namespace zmqloop::testing
