// Descriptors closed while registered, sockets closed or terminated: reported once, dropped, and
// the loop goes on.

#include <arpa/inet.h>
#include <cerrno>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <vector>

#include "tests/support/loop_fixture.h"
#include "tests/support/zmq_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zmq.hpp>

namespace zmqloop::testing {
namespace {

using ::testing::HasSubstr;
using zmq::socket_type;

class IOLoopEndedHandlers : public OnBothPollers {
 protected:
  // Runs until an exception was reported, and a little longer.
  void run_until_reported() {
    loop_.on_error = [this] { loop_.stop(); };
    if (loop_.errors.empty()) loop_.start();
    loop_.on_error = nullptr;
    for (int i = 0; i < 600; ++i) run_one_iteration();  // past the pollers' occasional look
  }
  int reported_error(std::size_t i) {
    try {
      std::rethrow_exception(loop_.errors.at(i));
    } catch (const std::system_error& error) {
      return error.code().value();
    }
  }

  zmq::context_t context_;
  std::string log_;
};
ZMQLOOP_ON_BOTH_POLLERS(IOLoopEndedHandlers);

TEST_P(IOLoopEndedHandlers, Rel_F3_ReportAClosedDescriptorOnceAndDropIt) {
  const OwnedFd living = make_event(/*readable=*/true);
  OwnedFd event = make_event();
  const std::string name = "fd " + std::to_string(event.get());
  const auto alive = std::make_shared<int>();
  int handled = 0;
  loop_.add_handler(
      event.get(), [alive] { ADD_FAILURE() << "called"; }, Events::kRead);
  event.close();
  run_until_reported();
  ASSERT_EQ(loop_.errors.size(), 1u);
  EXPECT_EQ(reported_error(0), EBADF);
  EXPECT_THAT(loop_.what(0), HasSubstr(name));
  EXPECT_THAT(loop_.what(0), HasSubstr("remove_handler"));
  EXPECT_EQ(alive.use_count(), 1) << "the handler is destroyed";
  loop_.add_handler(
      living.get(), [&] { ++handled; }, Events::kRead);
  run_one_iteration();
  EXPECT_EQ(handled, 1) << "the loop goes on";
  EXPECT_EQ(loop_.stats().callback_exceptions, 1u);
}

// Needs real time: it is about what timers do to a poller that looks around when it is quiet.
TEST_P(IOLoopEndedHandlers, ReportAClosedDescriptorOnALoopThatIsNeverQuietForLong) {
  OwnedFd event = make_event();
  loop_.add_handler(
      event.get(), [] { ADD_FAILURE() << "called"; }, Events::kRead);
  event.close();
  int ticks = 0;
  std::function<void()> tick = [&] {
    if (++ticks == 100 || !loop_.errors.empty()) return loop_.stop();
    loop_.add_timeout(20ms, std::ref(tick));
  };
  loop_.add_timeout(20ms, std::ref(tick));
  loop_.start();
  EXPECT_EQ(loop_.errors.size(), 1u) << "after " << ticks << " turns of 20 ms";
}

TEST_P(IOLoopEndedHandlers, Rel_F4_StopBeingCalledForAClosedDescriptorThatLivesOnAsADuplicate) {
  OwnedFd event = make_event(/*readable=*/true);
  const OwnedFd duplicate(fcntl(event.get(), F_DUPFD_CLOEXEC, 0));
  loop_.add_handler(
      event.get(), [] {}, Events::kRead);
  run_one_iteration();
  event.close();
  run_until_reported();
  EXPECT_EQ(loop_.errors.size(), 1u);
  const std::uint64_t before = loop_.stats().handlers_dispatched;
  for (int i = 0; i < 100; ++i) run_one_iteration();
  EXPECT_EQ(loop_.stats().handlers_dispatched, before);
}

TEST_P(IOLoopEndedHandlers, OfAClosedDescriptorAreRemovedQuietly) {
  OwnedFd event = make_event(/*readable=*/true);
  const int number = event.get();
  loop_.add_handler(
      number, [] { ADD_FAILURE() << "called"; }, Events::kRead);
  event.close();
  loop_.remove_handler(number);
  loop_.remove_handler(number);
  for (int i = 0; i < 600; ++i) run_one_iteration();
  EXPECT_TRUE(loop_.errors.empty());
}

TEST_P(IOLoopEndedHandlers, GoWhenAnUpdateFindsTheDescriptorClosed) {
  OwnedFd event = make_event();
  const int number = event.get();
  loop_.add_handler(
      number, [] { ADD_FAILURE() << "called"; }, Events::kRead);
  event.close();
  EXPECT_THROW(loop_.update_handler(number, Events::kWrite), std::system_error);
  run_until_reported();
  EXPECT_EQ(loop_.errors.size(), 1u);
  EXPECT_THROW(loop_.update_handler(number, Events::kWrite), std::invalid_argument);
}

TEST_P(IOLoopEndedHandlers, Rel_F5_DoNotGetTheEventsOfAnotherFileUnderTheirNumber) {
  OwnedFd event = make_event();
  const int number = event.get();
  loop_.add_handler(
      number, [] { ADD_FAILURE() << "called"; }, Events::kRead);
  event.close();
  const OwnedFd fresh = make_event(/*readable=*/true);
  OwnedFd moved;
  if (fresh.get() != number) {
    ASSERT_EQ(dup3(fresh.get(), number, O_CLOEXEC), number);
    moved = OwnedFd(number);
  }
  run_until_reported();
  EXPECT_EQ(loop_.errors.size(), 1u);
}

TEST_P(IOLoopEndedHandlers, Rel_G3_OfATerminatedContextAreCalledOnceWithErrorAndDropped) {
  const OwnedFd event = make_event(/*readable=*/true);
  const auto alive = std::make_shared<int>();
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  std::vector<Events> near_events;
  int far_calls = 0;
  loop_.add_handler(
      pair.near,
      [&, alive](Pollable, Events events) {
        near_events.push_back(events);
        if (far_calls != 0) loop_.stop();
      },
      Events::kRead);
  loop_.add_handler(
      pair.far,
      [&](Pollable self, Events events) {
        EXPECT_EQ(events, Events::kError);
        loop_.remove_handler(self);
        if (!near_events.empty()) loop_.stop();
        if (++far_calls == 1) throw std::runtime_error("from the last call");
      },
      Events::kRead);
  run_one_iteration();
  context_.shutdown();
  loop_.start();
  for (int i = 0; i < 100; ++i) run_one_iteration();
  EXPECT_EQ(near_events, std::vector<Events>{Events::kError});
  EXPECT_EQ(far_calls, 1);
  EXPECT_EQ(alive.use_count(), 1);
  ASSERT_EQ(loop_.errors.size(), 1u);
  EXPECT_EQ(loop_.what(0), "from the last call");
  loop_.add_handler(
      event.get(), [this] { log_ += 'h'; }, Events::kRead);
  run_one_iteration();
  EXPECT_EQ(log_, "h") << "the loop lives";
  EXPECT_EQ(loop_.close().handlers_removed, 1u);
}

TEST_P(IOLoopEndedHandlers, OfATerminatedContextAreDroppedAlsoWhenTheirLastCallEscapes) {
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  loop_.add_handler(
      pair.near, [] { throw std::runtime_error("escapes"); }, Events::kRead);
  run_one_iteration();
  context_.shutdown();
  loop_.escape = true;
  EXPECT_EQ(error_of<std::runtime_error>([&] { loop_.start(); }), "escapes");
  run_one_iteration();
  EXPECT_EQ(loop_.close().handlers_removed, 0u);
}

// A closed socket is freed by its context's reaper thread, at some time later. These tests must
// look at a closed socket and not at freed memory, so that theirs has a message to deliver before
// it may go, to a peer that binds at the end of the test.
class IOLoopClosedSocket : public IOLoopEndedHandlers {
 protected:
  IOLoopClosedSocket() : socket_(context_, socket_type::push) {
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
  ~IOLoopClosedSocket() override {
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
ZMQLOOP_ON_BOTH_POLLERS(IOLoopClosedSocket);

TEST_P(IOLoopClosedSocket, Rel_G2_IsReportedOnceAndDropped) {
  const auto alive = std::make_shared<int>();
  loop_.add_handler(
      socket_, [alive] { ADD_FAILURE() << "called"; }, Events::kRead);
  run_one_iteration();
  socket_.close();
  run_until_reported();
  ASSERT_EQ(loop_.errors.size(), 1u);
  EXPECT_EQ(reported_error(0), ENOTSOCK);
  EXPECT_THAT(loop_.what(0), HasSubstr("socket"));
  EXPECT_EQ(alive.use_count(), 1);
  EXPECT_EQ(loop_.close().handlers_removed, 0u);
}

TEST_P(IOLoopClosedSocket, IsRemovedQuietly) {
  loop_.add_handler(
      socket_, [] { ADD_FAILURE() << "called"; }, Events::kRead);
  const Pollable closed = zmq::socket_ref(socket_);
  socket_.close();
  loop_.remove_handler(closed);
  run_one_iteration();
  EXPECT_TRUE(loop_.errors.empty());
}

}  // namespace
}  // namespace zmqloop::testing
