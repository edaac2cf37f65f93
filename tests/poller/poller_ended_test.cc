// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Promises of every poller about registrations that end without being removed: descriptors and
// sockets closed behind its back, reused numbers, terminated contexts.

#include <arpa/inet.h>
#include <cerrno>
#include <fcntl.h>
#include <netinet/in.h>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "tests/support/poller_backends.h"
#include "tests/support/reused_handle.h"
#include "tests/support/zmq_fixture.h"

namespace zmqloop::testing {
namespace {

using zmq::socket_type;

class PollerEnded : public OnEveryBackend {
 protected:
  // Waits for the report that the registration with this token has ended, and returns its error.
  int error_of_end(std::uint64_t token) {
    const std::vector<Ready> ready = wait_for_any(*poller_);
    if (ready.size() != 1 || ready[0].token != token) return -1;
    EXPECT_EQ(ready[0].events, Events::kError);
    return ready[0].error;
  }

  zmq::context_t context_;
};
ZMQLOOP_ON_EVERY_BACKEND(PollerEnded);

// Opens an eventfd under exactly that number.
OwnedFd reopen_as(int number, bool readable) {
  OwnedFd event = make_event(readable);
  if (event.get() == number) return event;
  EXPECT_EQ(dup3(event.get(), number, O_CLOEXEC), number);
  return OwnedFd(number);
}

TEST_P(PollerEnded, ReportsAClosedDescriptorOnceAndDropsIt) {
  OwnedFd event = make_event();
  const int number = event.get();
  poller_->add(number, Events::kRead, 1);
  event.close();
  EXPECT_EQ(error_of_end(1), EBADF);
  EXPECT_EQ(poller_->size(), 0u);
  EXPECT_TRUE(poll_now(*poller_).empty());
  EXPECT_FALSE(poller_->remove(number));
}

TEST_P(PollerEnded, RemovesAClosedDescriptorQuietly) {
  OwnedFd event = make_event();
  const int number = event.get();
  poller_->add(number, Events::kRead, 1);
  event.close();
  EXPECT_TRUE(poller_->remove(number));
  EXPECT_EQ(poller_->size(), 0u);
  EXPECT_TRUE(poll_now(*poller_).empty());
}

TEST_P(PollerEnded, TellsOfAClosedDescriptorWhenItsInterestIsChanged) {
  OwnedFd event = make_event();
  const int number = event.get();
  poller_->add(number, Events::kRead, 1);
  event.close();
  EXPECT_THROW(poller_->modify(number, Events::kWrite), std::system_error);
  EXPECT_EQ(error_of_end(1), EBADF);
}

TEST_P(PollerEnded, TellsOfAClosedDescriptorInReadyNow) {
  OwnedFd event = make_event();
  const int number = event.get();
  poller_->add(number, Events::kRead, 1);
  event.close();
  EXPECT_EQ(poller_->ready_now(number), Events::kError);
  EXPECT_EQ(error_of_end(1), EBADF);
}

TEST_P(PollerEnded, ReplacesARegistrationWhoseNumberIsUsedAgain) {
  OwnedFd event = make_event(/*readable=*/true);
  const int number = event.get();
  poller_->add(number, Events::kRead, 1);
  event.close();
  const OwnedFd second = reopen_as(number, /*readable=*/false);
  poller_->add(number, Events::kRead, 2);
  EXPECT_EQ(poller_->size(), 1u);
  EXPECT_TRUE(poll_now(*poller_).empty()) << "the old file was readable, the new one is not";
  ring(second);
  const std::vector<Ready> ready = poll_now(*poller_);
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_EQ(ready[0].token, 2u);
  EXPECT_EQ(ready[0].error, 0);
}

TEST_P(PollerEnded, NeverGivesTheEventsOfAnotherFileToAnOldRegistration) {
  OwnedFd event = make_event();
  const int number = event.get();
  poller_->add(number, Events::kRead, 1);
  event.close();
  const OwnedFd second = reopen_as(number, /*readable=*/true);
  EXPECT_EQ(error_of_end(1), EBADF);
  EXPECT_EQ(poller_->size(), 0u);
  EXPECT_TRUE(poll_now(*poller_).empty());
}

// Opens a file that no poller can wait for, under exactly that number.
OwnedFd open_file_as(int number) {
  OwnedFd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  if (file.get() == number) return file;
  EXPECT_EQ(dup3(file.get(), number, O_CLOEXEC), number);
  return OwnedFd(number);
}

TEST_P(PollerEnded, TellsOfADescriptorWhoseNumberBecameARegularFiles) {
  OwnedFd event = make_event();
  const int number = event.get();
  poller_->add(number, Events::kRead, 1);
  event.close();
  const OwnedFd file = open_file_as(number);
  EXPECT_EQ(error_of_end(1), EBADF);
  EXPECT_EQ(poller_->size(), 0u);
  EXPECT_TRUE(poll_now(*poller_).empty());
}

TEST_P(PollerEnded, TellsOfARegularFilesNumberWhenItsInterestIsChanged) {
  OwnedFd event = make_event();
  const int number = event.get();
  poller_->add(number, Events::kRead, 1);
  event.close();
  const OwnedFd file = open_file_as(number);
  EXPECT_THROW(poller_->modify(number, Events::kWrite), std::system_error);
  EXPECT_EQ(error_of_end(1), EBADF);
}

TEST_P(PollerEnded, TellsOfARegularFilesNumberInReadyNow) {
  OwnedFd event = make_event();
  const int number = event.get();
  poller_->add(number, Events::kRead, 1);
  event.close();
  const OwnedFd file = open_file_as(number);
  EXPECT_EQ(poller_->ready_now(number), Events::kError);
  EXPECT_EQ(error_of_end(1), EBADF);
}

TEST_P(PollerEnded, TellsTheOwnerOfADescriptorWhoseNumberBecameASockets) {
  OwnedFd event = make_event();
  const int number = event.get();
  poller_->add(number, Events::kRead, 1);
  zmq::socket_t starter(context_, socket_type::pair);  // the context has its own descriptors by now
  event.close();
  zmq::socket_t socket(context_, socket_type::pair);
  if (socket.get(zmq::sockopt::fd) != number) GTEST_SKIP() << "the number went to something else";
  poller_->add(socket, Events::kRead, 2);
  EXPECT_EQ(error_of_end(1), EBADF);
  EXPECT_EQ(poller_->size(), 1u);
}

TEST_P(PollerEnded, IsNotHauntedByARemovedDescriptorThatLivesOnAsADuplicate) {
  OwnedFd event = make_event(/*readable=*/true);
  const OwnedFd duplicate(fcntl(event.get(), F_DUPFD_CLOEXEC, 0));
  const OwnedFd other = make_event();
  const int number = event.get();
  poller_->add(number, Events::kRead, 1);
  poller_->add(other.get(), Events::kRead, 2);
  event.close();
  EXPECT_TRUE(poller_->remove(number));
  // The kernel still holds an entry for the old file, which is readable. It must not be reported.
  EXPECT_TRUE(poll_now(*poller_).empty());
  EXPECT_TRUE(poll_now(*poller_).empty());
  ring(other);
  EXPECT_EQ(events_of(poll_now(*poller_), 2), Events::kRead) << "the rest lives on";
  poller_->add(duplicate.get(), Events::kRead, 3);
  EXPECT_EQ(events_of(poll_now(*poller_), 3), Events::kRead);
}

TEST_P(PollerEnded, StopsReportingAClosedDescriptorThatLivesOnAsADuplicate) {
  OwnedFd event = make_event(/*readable=*/true);
  const OwnedFd duplicate(fcntl(event.get(), F_DUPFD_CLOEXEC, 0));
  poller_->add(event.get(), Events::kRead, 1);
  event.close();
  int rounds = 0;
  int error = 0;
  for (; error == 0 && rounds < 1'000; ++rounds) {
    for (const Ready& ready : poller_->wait(Duration::zero())) error = ready.error;
  }
  EXPECT_EQ(error, EBADF) << "still reported after " << rounds << " rounds";
  EXPECT_EQ(poller_->size(), 0u);
  for (int i = 0; i < 1'000; ++i) EXPECT_TRUE(poll_now(*poller_).empty());
}

// Field case: a child process holds the file, and the next connection gets the number.
TEST_P(PollerEnded, Rel_F4_F5_NeverReportsAnOldFileUnderANumberThatIsAnothersByNow) {
  OwnedFd event = make_event();
  const OwnedFd duplicate(fcntl(event.get(), F_DUPFD_CLOEXEC, 0));
  const int number = event.get();
  poller_->add(number, Events::kRead, 1);
  EXPECT_TRUE(poll_now(*poller_).empty());
  event.close();
  const OwnedFd other = reopen_as(number, /*readable=*/true);
  ring(duplicate);
  const std::vector<Ready> ready = poll_now(*poller_);  // without a rescan
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_EQ(ready[0].events, Events::kError);
  EXPECT_EQ(ready[0].error, EBADF);
  EXPECT_EQ(poller_->size(), 0u);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(poll_now(*poller_).empty());
  poller_->add(number, Events::kRead, 2);
  EXPECT_EQ(events_of(poll_now(*poller_), 2), Events::kRead);
}

TEST_P(PollerEnded, TakesBackADescriptorThatReturnsUnderItsOldNumber) {
  OwnedFd event = make_event();
  const OwnedFd duplicate(fcntl(event.get(), F_DUPFD_CLOEXEC, 0));
  const int number = event.get();
  poller_->add(number, Events::kRead, 1);
  event.close();
  poller_->remove(number);
  ASSERT_EQ(dup3(duplicate.get(), number, O_CLOEXEC), number);
  const OwnedFd again(number);
  poller_->add(number, Events::kRead, 2);
  ring(again);
  EXPECT_EQ(events_of(poll_now(*poller_), 2), Events::kRead);
  EXPECT_EQ(poller_->size(), 1u);
}

TEST_P(PollerEnded, ReportsEachSocketOfATerminatedContextOnce) {
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  const OwnedFd event = make_event();
  poller_->add(pair.near, Events::kRead, 1);
  poller_->add(pair.far, Events::kRead, 2);
  poller_->add(event.get(), Events::kRead, 3);
  EXPECT_TRUE(poll_now(*poller_).empty());
  context_.shutdown();
  Events ended[3] = {};
  while (poller_->size() > 1) {
    const std::vector<Ready> reports = wait_for_any(*poller_);
    ASSERT_FALSE(reports.empty());
    for (const Ready& ready : reports) {
      EXPECT_EQ(ready.error, ETERM);
      EXPECT_EQ(ready.events, Events::kError);
      ASSERT_LT(ready.token, 3u);
      EXPECT_EQ(ended[ready.token], Events::kNone) << "reported twice";
      ended[ready.token] = ready.events;
    }
  }
  EXPECT_TRUE(poll_now(*poller_).empty());
  ring(event);
  EXPECT_EQ(events_of(poll_now(*poller_), 3), Events::kRead) << "the rest lives on";
}

TEST_P(PollerEnded, ReportsASocketAddedToATerminatedContextOrRefusesIt) {
  zmq::socket_t socket(context_, socket_type::pair);
  context_.shutdown();
  try {
    poller_->add(socket, Events::kRead, 1);
    EXPECT_EQ(error_of_end(1), ETERM);
  } catch (const zmq::error_t& error) {
    EXPECT_EQ(error.num(), ETERM);
  }
  EXPECT_EQ(poller_->size(), 0u);
}

// A closed socket is freed some time later, by its context's reaper thread. These tests must look
// at a closed socket, not at freed memory. So their socket has a message to deliver before it may
// go, to a peer that binds at the end of the test.
class PollerClosedSocket : public PollerEnded {
 protected:
  PollerClosedSocket() : socket_(context_, socket_type::push) {
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof any;
    sockaddr* const address = reinterpret_cast<sockaddr*>(&any);
    EXPECT_EQ(bind(port_holder_.get(), address, size), 0);
    EXPECT_EQ(getsockname(port_holder_.get(), address, &size), 0);
    endpoint_ = "tcp://127.0.0.1:" + std::to_string(ntohs(any.sin_port));
    socket_.set(zmq::sockopt::linger, -1);
    socket_.set(zmq::sockopt::reconnect_ivl, 1);
    socket_.connect(endpoint_);
    send(socket_, "hold");
  }
  ~PollerClosedSocket() override {
    port_holder_.close();
    zmq::socket_t peer(context_, socket_type::pull);
    peer.bind(endpoint_);
    zmq::message_t message;
    EXPECT_TRUE(peer.recv(message));
  }

  // Bound but not listening: keeps the port free for the peer.
  OwnedFd port_holder_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::string endpoint_;
  zmq::socket_t socket_;
};
ZMQLOOP_ON_EVERY_BACKEND(PollerClosedSocket);

TEST_P(PollerClosedSocket, IsReportedOnceAndDropped) {
  poller_->add(socket_, Events::kRead, 1);
  EXPECT_TRUE(poll_now(*poller_).empty());
  const Pollable closed = zmq::socket_ref(socket_);
  socket_.close();
  EXPECT_EQ(error_of_end(1), ENOTSOCK);
  EXPECT_EQ(poller_->size(), 0u);
  EXPECT_TRUE(poll_now(*poller_).empty());
  EXPECT_FALSE(poller_->remove(closed));
}

TEST_P(PollerClosedSocket, IsRemovedQuietly) {
  poller_->add(socket_, Events::kRead, 1);
  const Pollable closed = zmq::socket_ref(socket_);
  socket_.close();
  EXPECT_TRUE(poller_->remove(closed));
  EXPECT_TRUE(poll_now(*poller_).empty());
}

// Gives a new socket the handle of a closed one, and its descriptor's number.
class PollerReusedHandle : public OnEveryBackend {
 protected:
  // Registers a socket, ready or not, lets another one take its place, and returns the report.
  // Returns nothing if no other socket gets the place.
  std::optional<Ready> report_after_reuse(bool was_ready, bool becomes_ready) {
    for (int i = 0; i < ReusedHandle::kAttempts; ++i) {
      poller_ = make_backend(GetParam());
      ReusedHandle handle(ZMQ_PULL);
      poller_->add(handle.get(), Events::kRead, 1);
      if (was_ready) {
        const zmq::socket_t sender = send_to(handle.get(), handle.context());
        EXPECT_EQ(events_of(wait_for_any(*poller_), 1), Events::kRead);
      } else {
        EXPECT_TRUE(poll_now(*poller_).empty());
      }
      if (!handle.reuse()) continue;
      zmq::socket_t sender;
      if (becomes_ready) sender = send_to(handle.second(), handle.context());
      const std::vector<Ready> ready = wait_for_any(*poller_);
      EXPECT_EQ(ready.size(), 1u);
      EXPECT_EQ(poller_->size(), 0u);
      EXPECT_TRUE(poll_now(*poller_).empty());
      if (ready.empty()) return std::nullopt;
      return ready[0];
    }
    return std::nullopt;
  }

 private:
  // Sends a message to `socket` from a new socket, and returns the new one.
  static zmq::socket_t send_to(zmq::socket_ref socket, zmq::context_t& context) {
    const std::string address = SocketPair::unused_address();
    socket.bind(address);
    zmq::socket_t sender(context, socket_type::push);
    sender.set(zmq::sockopt::linger, 0);
    sender.connect(address);
    send(sender, "message");
    return sender;
  }
};
ZMQLOOP_ON_EVERY_BACKEND(PollerReusedHandle);

TEST_P(PollerReusedHandle, Rel_F5_G2_NeverGetsAHandlerOfTheClosedSocket) {
  for (const bool was_ready : {false, true}) {
    for (const bool becomes_ready : {false, true}) {
      const std::optional<Ready> report = report_after_reuse(was_ready, becomes_ready);
      if (!report) GTEST_SKIP() << ReusedHandle::kNoReuse;
      EXPECT_EQ(report->token, 1u);
      EXPECT_EQ(report->error, ENOTSOCK)
          << "was ready: " << was_ready << ", becomes ready: " << becomes_ready;
    }
  }
}

}  // namespace
}  // namespace zmqloop::testing
