// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Descriptors closed while registered, and sockets closed or terminated: each is reported once and
// dropped, and the loop goes on.

#include <arpa/inet.h>
#include <cerrno>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <netinet/in.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <utility>
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
  // Runs until an exception was reported, and for some turns after that.
  void run_until_reported() {
    loop_.on_error = [this] { loop_.stop(); };
    if (loop_.errors.empty()) loop_.start();
    loop_.on_error = nullptr;
    for (int i = 0; i < 600; ++i) run_one_iteration();  // past the pollers' occasional check
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

struct NamedHandler {
  void operator()() const {}
};

TEST_P(IOLoopEndedHandlers, OfAClosedDescriptorAreReportedWithTheirType) {
  IOLoop loop(options("talkative"));
  OwnedFd event = make_event();
  loop.add_handler(event.get(), NamedHandler(), Events::kRead);
  const int number = event.get();
  event.close();
  try {
    loop.update_handler(number, Events::kWrite);
  } catch (const std::system_error&) {
    // The epoll poller notices here, the other one in its next wait.
  }
  ::testing::internal::CaptureStderr();
  loop.add_callback([&] { loop.add_callback([&] { loop.stop(); }); });
  loop.start();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("NamedHandler"), HasSubstr("dropped the handler of")));
}

// Needs real time: a poller checks all its descriptors when it is quiet, and timers keep it from
// being quiet for long.
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

// ---- found together, while an exception ends the run ----

// Several registrations end together and are found by one wait. The report of the first, or another
// handler of that wait, ends the run. The next run must report the others, each once.
class IOLoopEndsInOneWait : public IOLoopEndedHandlers {
 protected:
  static constexpr std::size_t kEnds = 5;

  // Lets the n-th exception leave start() if nth(n); n is 1, 2, …
  void let_escape(std::function<bool(std::size_t)> nth) {
    loop_.on_error = [this, nth = std::move(nth)] { loop_.escape = nth(loop_.errors.size()); };
  }
  // Runs until the first exception leaves the loop, then for many turns, past the pollers'
  // occasional check, and restarts after each exception. Returns the number of exceptions.
  int count_escapes() {
    EXPECT_THROW(loop_.start(), std::exception);
    return 1 + count_escapes_of_many_turns();
  }
  int count_escapes_of_many_turns() {
    int turns = 600;
    std::function<void()> turn = [&] {
      --turns == 0 ? loop_.stop() : static_cast<void>(loop_.add_callback(std::ref(turn)));
    };
    loop_.add_callback(std::ref(turn));
    for (int escapes = 0;; ++escapes) {
      try {
        loop_.start();
        return escapes;
      } catch (const std::exception&) {
      }
    }
  }
  // Registers events by their numbers and closes them.
  void register_and_close(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) events_.push_back(make_event());
    for (const OwnedFd& event : events_) {
      numbers_.push_back(event.get());
      loop_.add_handler(
          event.get(), [alive = alive_] { ADD_FAILURE() << "called"; }, Events::kRead);
    }
    events_.clear();
  }
  // Makes the poller notice now, so that its next wait reports it together with everything else.
  void have_the_poller_notice() {
    for (const int number : numbers_) {
      EXPECT_THROW(loop_.update_handler(number, Events::kWrite), std::system_error);
    }
  }
  void expect_each_was_reported_once() {
    std::vector<int> reported(numbers_.size(), 0);
    for (std::size_t i = 0; i < loop_.errors.size(); ++i) {
      for (std::size_t j = 0; j < numbers_.size(); ++j) {
        const std::string name = "fd " + std::to_string(numbers_[j]) + ",";
        if (loop_.what(i).find(name) != std::string::npos) ++reported[j];
      }
    }
    EXPECT_EQ(reported, std::vector<int>(numbers_.size(), 1));
    EXPECT_EQ(alive_.use_count(), 1) << "the handlers are gone";
  }

  std::vector<OwnedFd> events_;
  std::vector<int> numbers_;
  const std::shared_ptr<int> alive_ = std::make_shared<int>();
};
ZMQLOOP_ON_BOTH_POLLERS(IOLoopEndsInOneWait);

// Failures: D11
TEST_P(IOLoopEndsInOneWait, OfClosedDescriptorsAreAllReportedAlsoWhenTheFirstReportEscapes) {
  register_and_close(kEnds);
  let_escape([](std::size_t n) { return n == 1; });
  EXPECT_EQ(count_escapes(), 1);
  EXPECT_EQ(loop_.errors.size(), kEnds);
  expect_each_was_reported_once();
  EXPECT_EQ(loop_.close().handlers_removed, 0u);
}

TEST_P(IOLoopEndsInOneWait, OfClosedDescriptorsAreAllReportedAlsoWhenEachReportEscapes) {
  register_and_close(kEnds);
  let_escape([](std::size_t) { return true; });
  EXPECT_EQ(count_escapes(), static_cast<int>(kEnds));
  EXPECT_EQ(loop_.errors.size(), kEnds);
  expect_each_was_reported_once();
  EXPECT_EQ(loop_.close().handlers_removed, 0u);
}

TEST_P(IOLoopEndsInOneWait, OfClosedDescriptorsAreAllReportedAlsoWhenAHandlerOfTheSameWaitEscapes) {
  const OwnedFd ready = make_event(/*readable=*/true);
  int calls = 0;
  loop_.add_callback([&] {
    loop_.add_handler(
        ready.get(),
        [&](Pollable self, Events) {
          ++calls;
          loop_.remove_handler(self);
          throw std::runtime_error("from a handler");
        },
        Events::kRead);
    register_and_close(kEnds);
    have_the_poller_notice();
  });
  let_escape([](std::size_t n) { return n == 1; });
  EXPECT_EQ(error_of<std::runtime_error>([&] { loop_.start(); }), "from a handler");
  EXPECT_EQ(loop_.errors.size(), 1u) << "the handler's turn comes first";
  EXPECT_EQ(count_escapes_of_many_turns(), 0);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(loop_.errors.size(), kEnds + 1);
  expect_each_was_reported_once();
  EXPECT_EQ(loop_.close().handlers_removed, 0u);
}

TEST_P(IOLoopEndsInOneWait, OfADescriptorThatIsRemovedBetweenTheRunsIsNotReported) {
  register_and_close(kEnds);
  let_escape([](std::size_t n) { return n == 1; });
  EXPECT_THROW(loop_.start(), std::system_error);
  for (const int number : numbers_) loop_.remove_handler(number);
  EXPECT_EQ(count_escapes_of_many_turns(), 0);
  EXPECT_EQ(loop_.errors.size(), 1u);
  EXPECT_EQ(alive_.use_count(), 1);
}

TEST_P(IOLoopEndsInOneWait, IsNotThatOfARegistrationThatTookTheNumberBetweenTheRuns) {
  register_and_close(2);
  let_escape([](std::size_t n) { return n == 1; });
  EXPECT_THROW(loop_.start(), std::system_error);
  int handled = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    events_.push_back(make_event(/*readable=*/true));
    loop_.add_handler(
        events_.back().get(), [&] { ++handled; }, Events::kRead);
  }
  run_one_iteration();
  EXPECT_EQ(handled, 2) << "of the new files, under the same numbers";
  EXPECT_LE(loop_.errors.size(), 2u);
  EXPECT_EQ(alive_.use_count(), 1);
  EXPECT_EQ(loop_.close().handlers_removed, 2u);
}

TEST_P(IOLoopEndsInOneWait, DoesNotHoldUpAClose) {
  register_and_close(kEnds);
  let_escape([](std::size_t n) { return n == 1; });
  EXPECT_THROW(loop_.start(), std::system_error);
  EXPECT_EQ(loop_.close(/*all_fds=*/true).handlers_removed, kEnds - 1);
  EXPECT_EQ(loop_.errors.size(), 1u);
  EXPECT_EQ(alive_.use_count(), 1);
}

class IOLoopContextEnds : public IOLoopEndsInOneWait {
 protected:
  IOLoopContextEnds() {
    for (std::size_t i = 0; i < kEnds; ++i) {
      sockets_.emplace_back(context_, socket_type::pair);
      loop_.add_handler(
          sockets_.back(),
          [this, i, alive = alive_](Pollable, Events events) {
            EXPECT_EQ(events, Events::kError);
            ++calls_[i];
            throw std::runtime_error("last call");
          },
          Events::kRead);
    }
    run_one_iteration();
  }
  void expect_each_was_called_once() {
    EXPECT_EQ(calls_, std::vector<int>(kEnds, 1));
    EXPECT_EQ(alive_.use_count(), 1) << "the handlers are gone";
    EXPECT_EQ(loop_.close().handlers_removed, 0u);
  }

  std::vector<zmq::socket_t> sockets_;
  std::vector<int> calls_ = std::vector<int>(kEnds, 0);
};
ZMQLOOP_ON_BOTH_POLLERS(IOLoopContextEnds);

TEST_P(IOLoopContextEnds, ForEachOfItsSocketsAlsoWhenTheFirstHandlerEscapes) {
  context_.shutdown();
  let_escape([](std::size_t n) { return n == 1; });
  EXPECT_EQ(count_escapes(), 1);
  expect_each_was_called_once();
}

TEST_P(IOLoopContextEnds, ForEachOfItsSocketsAlsoWhenEachHandlerEscapes) {
  context_.shutdown();
  let_escape([](std::size_t) { return true; });
  EXPECT_EQ(count_escapes(), static_cast<int>(kEnds));
  expect_each_was_called_once();
}

TEST_P(IOLoopContextEnds, ForEachOfItsSocketsAlsoWhenAHandlerOfTheSameWaitEscapes) {
  const OwnedFd ready = make_event(/*readable=*/true);
  loop_.add_handler(
      ready.get(),
      [&](Pollable self, Events) {
        loop_.remove_handler(self);
        throw std::runtime_error("from a handler");
      },
      Events::kRead);
  context_.shutdown();
  let_escape([](std::size_t n) { return n == 1; });
  EXPECT_EQ(count_escapes(), 1);
  EXPECT_EQ(loop_.errors.size(), kEnds + 1);
  expect_each_was_called_once();
}

// The context's reaper thread frees a closed socket some time later. These tests must see a closed
// socket, not freed memory. So their socket has an undelivered message, which keeps it in memory
// until its peer binds at the end of the test.
class IOLoopClosedSocket : public IOLoopEndsInOneWait {
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
    hold(socket_);
  }
  ~IOLoopClosedSocket() override {
    port_holder_.close();
    zmq::socket_t peer(context_, socket_type::pull);
    peer.bind(endpoint_);
    for (; held_ > 0; --held_) {
      zmq::message_t message;
      EXPECT_TRUE(peer.recv(message));
    }
  }
  // Keeps a socket in memory when it is closed, until the end of the test.
  void hold(zmq::socket_t& socket) {
    socket.set(zmq::sockopt::linger, -1);
    socket.set(zmq::sockopt::reconnect_ivl, 1);
    socket.connect(endpoint_);
    send(socket, "hold");
    ++held_;
  }

  // Bound but not listening: keeps the port free for the peer.
  OwnedFd port_holder_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::string endpoint_;
  int held_ = 0;
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

TEST_P(IOLoopClosedSocket, IsReportedAsEachOtherIsAlsoWhenTheFirstReportEscapes) {
  for (const bool all_escape : {false, true}) {
    loop_.errors.clear();
    std::vector<zmq::socket_t> sockets;
    for (std::size_t i = 0; i < kEnds; ++i) {
      hold(sockets.emplace_back(context_, socket_type::push));
      loop_.add_handler(
          sockets.back(), [alive = alive_] { ADD_FAILURE() << "called"; }, Events::kRead);
    }
    run_one_iteration();
    sockets.clear();
    let_escape([all_escape](std::size_t n) { return all_escape || n == 1; });
    EXPECT_EQ(count_escapes(), all_escape ? static_cast<int>(kEnds) : 1);
    ASSERT_EQ(loop_.errors.size(), kEnds);
    for (std::size_t i = 0; i < kEnds; ++i) EXPECT_EQ(reported_error(i), ENOTSOCK);
    EXPECT_EQ(alive_.use_count(), 1);
  }
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
