// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Handlers that return tasks. While a task runs, the loop ignores its registration, even if the
// registration, the descriptor or the socket change in the meantime.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "tests/support/entry_points.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/zmq_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zmq.hpp>

namespace zmqloop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using zmq::socket_type;

// A handler that reads nothing and returns a task, which ends when its gate is opened.
class GatedHandler {
 public:
  auto function() {
    return [this, guard = Guard(callables)](Pollable, Events events) -> Task<void> {
      const std::size_t callable = guard.number();
      calls.push_back(events);
      Promise<void>& gate = *gates.emplace_back(std::make_unique<Promise<void>>());
      co_await gate.get_future();
      if (!callables.has(callable)) lost_its_captures = true;
      ++ended;
    };
  }
  // Lets the task of the last call go on to its end.
  void open() { gates.back()->set_value(); }
  void fail(const std::string& text) {
    gates.back()->set_exception(std::make_exception_ptr(std::runtime_error(text)));
  }

  Lives callables;
  std::vector<Events> calls;
  int ended = 0;
  bool lost_its_captures = false;
  std::vector<std::unique_ptr<Promise<void>>> gates;  // last: waiting tasks refer to the rest
};

class HandlerTasks : public OnBothPollers {
 protected:
  void run_iterations(int count) {
    for (int i = 0; i < count; ++i) run_one_iteration();
  }
  // Runs until the loop can only wait, then counts its iterations in 30 ms and returns them. Needs
  // real time: it tests waiting.
  std::uint64_t iterations_of_a_rest() {
    run_iterations(2);
    const std::uint64_t before = loop_.stats().iterations;
    loop_.call_later(30ms, [this] { loop_.stop(); });
    loop_.start();
    return loop_.stats().iterations - before;
  }

  // Running tasks refer to the handlers, which are destroyed before the loop: so close it first.
  void TearDown() override { loop_.close(); }

  zmq::context_t context_;
  OwnedFd event_ = make_event(/*readable=*/true);
  GatedHandler handler_;
  GatedHandler second_;
};
ZMQLOOP_ON_BOTH_POLLERS(HandlerTasks);

// ---- one call at a time ------------------------------------------------------------------------

TEST_P(HandlerTasks, OfADescriptorThatStaysReadableAreBegunOneAtATime) {
  loop_.add_handler(event_.get(), handler_.function(), Events::kRead);
  for (int round = 1; round <= 3; ++round) {
    run_iterations(3);
    EXPECT_EQ(handler_.calls.size(), static_cast<std::size_t>(round));
    EXPECT_EQ(handler_.ended, round - 1);
    handler_.open();
  }
  run_one_iteration();
  EXPECT_EQ(handler_.ended, 3);
  EXPECT_FALSE(handler_.lost_its_captures);
}

TEST_P(HandlerTasks, OfASocketThatHasMessagesAreBegunOneAtATime) {
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  for (int i = 0; i < 3; ++i) send(pair.far, "message");
  loop_.add_handler(pair.near, handler_.function(), Events::kRead);
  for (int round = 1; round <= 3; ++round) {
    run_iterations(3);
    EXPECT_EQ(handler_.calls.size(), static_cast<std::size_t>(round));
    handler_.open();
  }
  run_one_iteration();
  EXPECT_EQ(handler_.ended, 3);
  loop_.remove_handler(pair.near);
}

TEST_P(HandlerTasks, ThatEndInTheCallDoNotPauseIt) {
  int calls = 0;
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  for (int i = 0; i < 100; ++i) send(pair.far, "message");
  loop_.add_handler(
      pair.near,
      [&]() -> Task<void> {
        if (receive(pair.near)) ++calls;
        co_return;
      },
      Events::kRead);
  while (calls < 100) run_one_iteration();
  loop_.remove_handler(pair.near);
}

TEST_P(HandlerTasks, OfASocketWithABudgetReadOnInTheSameTurnUnlessTheySuspend) {
  IOLoop::Options with_budget = options("budget");
  with_budget.socket_budget = 10;
  RecordingLoop loop(with_budget);
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  for (int i = 0; i < 8; ++i) send(pair.far, "message");
  Promise<void> gate;
  int calls = 0;
  loop.add_handler(
      pair.near,
      [&]() -> Task<void> {
        receive(pair.near);
        if (++calls == 5) co_await gate.get_future();
      },
      Events::kRead);
  const auto turn = [&] {
    loop.add_callback([&] { loop.add_callback([&] { loop.stop(); }); });
    loop.start();
  };
  turn();
  EXPECT_EQ(calls, 5);
  turn();
  EXPECT_EQ(calls, 5);
  gate.set_value();
  turn();
  turn();
  EXPECT_EQ(calls, 8);
  loop.remove_handler(pair.near);
}

TEST_P(HandlerTasks, ThatSleepLeaveTheOtherHandlersAlone) {
  const OwnedFd other = make_event(/*readable=*/true);
  int plain = 0;
  const OwnedFd third = make_event(/*readable=*/true);
  loop_.add_handler(event_.get(), handler_.function(), Events::kRead);
  loop_.add_handler(other.get(), second_.function(), Events::kRead);
  loop_.add_handler(
      third.get(), [&] { ++plain; }, Events::kRead);
  run_iterations(3);
  EXPECT_EQ(handler_.calls.size(), 1u);
  EXPECT_EQ(second_.calls.size(), 1u);
  EXPECT_GE(plain, 3);
  second_.open();
  run_iterations(2);
  EXPECT_EQ(handler_.calls.size(), 1u) << "the second one's end is not the first one's";
  EXPECT_EQ(second_.calls.size(), 2u);
  loop_.remove_handler(other.get());
  loop_.remove_handler(third.get());
}

TEST_P(HandlerTasks, MayAwaitTheReadinessOfTheirOwnDescriptorOnAnotherLoop) {
  // Paused on one loop does not mean paused on another.
  IOLoop other(options("other"));
  int there = 0;
  loop_.add_handler(event_.get(), handler_.function(), Events::kRead);
  run_one_iteration();
  other.add_handler(
      event_.get(),
      [&] {
        ++there;
        other.stop();
      },
      Events::kRead);
  other.start();
  EXPECT_EQ(there, 1);
}

// Failures: F17
TEST_P(HandlerTasks, MissNothingThatComesWhileTheyAreUnderWay) {
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  constexpr int kMessages = 2'000;
  int received = 0;
  const auto read_all = [&]() -> Task<void> {
    while (receive(pair.near)) ++received;
    co_await sleep_for(0s);  // messages arrive now
    co_await loop_.submit([] {});
    if (received == kMessages) loop_.stop();
  };
  loop_.add_handler(pair.near, read_all, Events::kRead);
  std::thread sender([&] {
    for (int i = 0; i < kMessages; ++i) {
      send(pair.far, "message", zmq::send_flags::none);
      if (i % 7 == 0) std::this_thread::yield();
    }
  });
  loop_.start();
  sender.join();
  EXPECT_EQ(received, kMessages);
  loop_.remove_handler(pair.near);
}

TEST_P(HandlerTasks, OfAStreamMissNothingThatComesWhileTheyAreUnderWay) {
  auto [near, far] = make_stream();
  constexpr int kBytes = 2'000;
  int received = 0;
  const auto read_some = [&]() -> Task<void> {
    char bytes[64];
    const ssize_t count = ::read(near.get(), bytes, sizeof bytes);
    if (count > 0) received += static_cast<int>(count);
    co_await sleep_for(0s);
    if (received == kBytes) loop_.stop();
  };
  loop_.add_handler(near.get(), read_some, Events::kRead);
  std::thread sender([&to = far] {
    for (int i = 0; i < kBytes; ++i) {
      while (::write(to.get(), "x", 1) != 1) std::this_thread::yield();  // it is full
      if (i % 7 == 0) std::this_thread::yield();
    }
  });
  loop_.start();
  sender.join();
  EXPECT_EQ(received, kBytes);
}

// ---- failures ----------------------------------------------------------------------------------

TEST_P(HandlerTasks, ThatFailLetTheirHandlerBeCalledAgain) {
  int calls = 0;
  Promise<void> gate;
  loop_.add_handler(
      event_.get(),
      [&]() -> Task<void> {
        if (++calls == 2) co_await gate.get_future();
        throw std::runtime_error("call " + std::to_string(calls));
      },
      Events::kRead);
  while (calls < 2) run_one_iteration();
  run_iterations(2);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(loop_.errors.size(), 1u);
  gate.set_value();
  run_iterations(2);
  EXPECT_GE(calls, 3);
  ASSERT_GE(loop_.errors.size(), 3u);
  EXPECT_EQ(loop_.what(1), "call 2");
}

TEST_P(HandlerTasks, WhoseFailureLeavesTheLoopLetTheirHandlerBeCalledAgain) {
  loop_.add_handler(event_.get(), handler_.function(), Events::kRead);
  run_one_iteration();
  loop_.escape = true;
  handler_.fail("escapes");
  EXPECT_THROW(run_iterations(2), std::runtime_error);
  loop_.escape = false;
  run_iterations(2);
  EXPECT_EQ(handler_.calls.size(), 2u);
  EXPECT_EQ(loop_.errors.size(), 1u);
}

// ---- registrations that change meanwhile -------------------------------------------------------

TEST_P(HandlerTasks, SeeAnUpdateOfTheirEventsWhenTheyHaveEnded) {
  loop_.add_handler(event_.get(), handler_.function(), Events::kRead);
  run_one_iteration();
  loop_.update_handler(event_.get(), Events::kWrite);
  run_iterations(3);
  EXPECT_THAT(handler_.calls, ElementsAre(Events::kRead)) << "no update ends a pause";
  handler_.open();
  run_iterations(2);
  EXPECT_THAT(handler_.calls, ElementsAre(Events::kRead, Events::kWrite));
}

TEST_P(HandlerTasks, OfASocketSeeAnUpdateOfTheirEventsWhenTheyHaveEnded) {
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  send(pair.far, "message");
  loop_.add_handler(pair.near, handler_.function(), Events::kRead);
  run_one_iteration();
  loop_.update_handler(pair.near, Events::kWrite);
  loop_.touch(pair.near);
  run_iterations(3);
  EXPECT_THAT(handler_.calls, ElementsAre(Events::kRead)) << "neither update nor touch ends a pause";
  handler_.open();
  run_iterations(2);
  EXPECT_THAT(handler_.calls, ElementsAre(Events::kRead, Events::kWrite));
  loop_.remove_handler(pair.near);
}

TEST_P(HandlerTasks, WhoseHandlerIsUpdatedToNothingStayPausedAndThenSilent) {
  loop_.add_handler(event_.get(), handler_.function(), Events::kRead);
  run_one_iteration();
  loop_.update_handler(event_.get(), Events::kNone);
  handler_.open();
  run_iterations(3);
  EXPECT_EQ(handler_.calls.size(), 1u);
  loop_.update_handler(event_.get(), Events::kRead);
  run_one_iteration();
  EXPECT_EQ(handler_.calls.size(), 2u);
}

TEST_P(HandlerTasks, KeepAHandlerAliveThatWasRemovedMeanwhile) {
  loop_.add_handler(event_.get(), handler_.function(), Events::kRead);
  run_one_iteration();
  loop_.remove_handler(event_.get());
  EXPECT_EQ(handler_.callables.count(), 1);
  handler_.open();
  run_iterations(2);
  EXPECT_EQ(handler_.ended, 1);
  EXPECT_FALSE(handler_.lost_its_captures);
  EXPECT_EQ(handler_.callables.count(), 0);
  EXPECT_EQ(handler_.calls.size(), 1u);
  EXPECT_EQ(loop_.close().handlers_removed, 0u);
}

TEST_P(HandlerTasks, MayRemoveTheirOwnHandlerBeforeAndAfterTheySuspend) {
  for (const bool before : {true, false}) {
    Lives callables;
    bool kept = false;
    Promise<void> gate;
    const OwnedFd event = make_event(/*readable=*/true);
    loop_.add_handler(
        event.get(),
        [&, guard = Guard(callables)](Pollable self, Events) -> Task<void> {
          const std::size_t callable = guard.number();
          const Lives& lives = callables;
          bool& it_was = kept;
          IOLoop& loop = loop_;
          if (before) loop.remove_handler(self);
          co_await gate.get_future();
          loop.remove_handler(self);
          it_was = lives.has(callable);
        },
        Events::kRead);
    run_one_iteration();
    gate.set_value();
    run_iterations(2);
    EXPECT_TRUE(kept);
    EXPECT_EQ(callables.count(), 0);
  }
}

TEST_P(HandlerTasks, DoNotDisturbALaterHandlerOfTheSameDescriptor) {
  loop_.add_handler(event_.get(), handler_.function(), Events::kRead);
  run_one_iteration();
  loop_.remove_handler(event_.get());
  loop_.add_handler(event_.get(), second_.function(), Events::kRead);
  run_iterations(2);
  EXPECT_EQ(second_.calls.size(), 1u) << "it does not wait for the first one's task";
  handler_.open();
  run_iterations(3);
  EXPECT_EQ(handler_.ended, 1);
  EXPECT_EQ(second_.calls.size(), 1u) << "the first one's end does not end its pause";
  second_.open();
  run_iterations(2);
  EXPECT_EQ(second_.calls.size(), 2u);
  EXPECT_EQ(handler_.calls.size(), 1u);
}

TEST_P(HandlerTasks, DoNotDisturbALaterHandlerOfTheSameSocket) {
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  send(pair.far, "message");
  loop_.add_handler(pair.near, handler_.function(), Events::kRead);
  run_one_iteration();
  loop_.remove_handler(pair.near);
  loop_.add_handler(pair.near, second_.function(), Events::kRead);
  run_iterations(2);
  EXPECT_EQ(second_.calls.size(), 1u);
  handler_.open();
  run_iterations(3);
  EXPECT_EQ(second_.calls.size(), 1u);
  second_.open();
  run_iterations(2);
  EXPECT_EQ(second_.calls.size(), 2u);
  loop_.remove_handler(pair.near);
}

// A number that is closed and reopened is another descriptor.
TEST_P(HandlerTasks, DoNotDisturbALaterHandlerOfAReusedNumber) {
  loop_.add_handler(event_.get(), handler_.function(), Events::kRead);
  run_one_iteration();
  const int number = event_.get();
  event_.close();
  event_ = make_event(/*readable=*/true);
  ASSERT_EQ(event_.get(), number);
  loop_.add_handler(event_.get(), second_.function(), Events::kRead);
  run_iterations(2);
  EXPECT_EQ(second_.calls.size(), 1u);
  EXPECT_EQ(handler_.callables.count(), 1) << "its task is under way";
  handler_.open();
  run_iterations(3);
  EXPECT_EQ(handler_.callables.count(), 0);
  EXPECT_EQ(second_.calls.size(), 1u);
  second_.open();
  run_iterations(2);
  EXPECT_EQ(second_.calls.size(), 2u);
}

// ---- ends --------------------------------------------------------------------------------------

// Failures: L4
TEST_P(HandlerTasks, AreDestroyedWithALoopThatClosesMeanwhile) {
  for (const bool all_fds : {false, true}) {
    Lives callables;
    Lives frames;
    IOLoop closing(options("closing"));
    OwnedFd event = make_event(/*readable=*/true);
    const OwnedFd twin(::fcntl(event.get(), F_DUPFD_CLOEXEC, 0));
    closing.add_handler(
        event.get(),
        [&frames, guard = Guard(callables)]() -> Task<void> {
          const Guard frame(frames);
          co_await sleep_for(Duration::max());
        },
        Events::kRead);
    closing.add_callback([&] { closing.add_callback([&] { closing.stop(); }); });
    closing.start();
    EXPECT_EQ(frames.count(), 1);
    const CloseReport report = closing.close(all_fds);
    EXPECT_EQ(report.handlers_removed, 1u);
    EXPECT_EQ(frames.count(), 0);
    EXPECT_EQ(callables.count(), 0);
    EXPECT_EQ(::fcntl(event.get(), F_GETFD) < 0, all_fds);
    if (all_fds) event.release();
  }
}

TEST_P(HandlerTasks, ThatOutliveTheirClosedLoopDisturbNobody) {
  {
    IOLoop closing(options("closing"));
    closing.add_handler(event_.get(), handler_.function(), Events::kRead);
    closing.add_callback([&] { closing.add_callback([&] { closing.stop(); }); });
    closing.start();
    EXPECT_EQ(handler_.calls.size(), 1u);
  }
  EXPECT_EQ(handler_.callables.count(), 1);
  on_another_thread([&] { handler_.open(); });
  EXPECT_EQ(handler_.callables.count(), 0);
  EXPECT_EQ(handler_.ended, 0);
}

TEST_P(HandlerTasks, OfADescriptorThatIsClosedMeanwhileEndWithItsReport) {
  loop_.add_handler(event_.get(), handler_.function(), Events::kRead);
  run_one_iteration();
  event_.close();
  run_iterations(2);
  EXPECT_THAT(loop_.errors, IsEmpty());
  handler_.open();
  run_iterations(3);
  EXPECT_EQ(handler_.ended, 1);
  EXPECT_EQ(handler_.calls.size(), 1u);
  ASSERT_EQ(loop_.errors.size(), 1u);
  EXPECT_THAT(loop_.what(0), HasSubstr("closed while registered"));
  EXPECT_EQ(handler_.callables.count(), 0);
  EXPECT_EQ(loop_.close().handlers_removed, 0u);
}

TEST_P(HandlerTasks, OfASocketThatIsClosedMeanwhileEndWithItsReport) {
  std::optional<SocketPair> pair(std::in_place, context_, socket_type::pair, socket_type::pair);
  send(pair->far, "message");
  loop_.add_handler(pair->near, handler_.function(), Events::kRead);
  run_one_iteration();
  pair.reset();
  run_iterations(2);
  handler_.open();
  run_iterations(3);
  EXPECT_EQ(handler_.ended, 1);
  EXPECT_EQ(handler_.calls.size(), 1u);
  EXPECT_EQ(loop_.errors.size(), 1u);
  EXPECT_EQ(handler_.callables.count(), 0);
}

TEST_P(HandlerTasks, OfASocketWhoseContextEndsMeanwhileAreFollowedByOneCallThatTellsOfIt) {
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  send(pair.far, "message");
  loop_.add_handler(pair.near, handler_.function(), Events::kRead);
  run_one_iteration();
  context_.shutdown();
  run_iterations(3);
  EXPECT_EQ(handler_.calls.size(), 1u);
  handler_.open();
  run_iterations(3);
  EXPECT_THAT(handler_.calls, ElementsAre(Events::kRead, Events::kError));
  EXPECT_EQ(handler_.callables.count(), 1) << "by its task alone";
  handler_.open();
  run_iterations(3);
  EXPECT_EQ(handler_.ended, 2);
  EXPECT_EQ(handler_.calls.size(), 2u);
  EXPECT_EQ(handler_.callables.count(), 0);
  EXPECT_THAT(loop_.errors, IsEmpty());
}

// ---- rest --------------------------------------------------------------------------------------

TEST_P(HandlerTasks, LetTheLoopRestWhileTheirDescriptorStaysReady) {
  loop_.add_handler(event_.get(), handler_.function(), Events::kRead | Events::kWrite);
  EXPECT_LT(iterations_of_a_rest(), 20u);
}

TEST_P(HandlerTasks, LetTheLoopRestWhileTheirSocketHasMessages) {
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  for (int i = 0; i < 100; ++i) send(pair.far, "message");
  loop_.add_handler(pair.near, handler_.function(), Events::kRead | Events::kWrite);
  EXPECT_LT(iterations_of_a_rest(), 20u);
  loop_.remove_handler(pair.near);
}

// Failures: F17
TEST_P(HandlerTasks, LetTheLoopRestWhileTheirDescriptorIsHungUp) {
  auto [near, far] = make_stream();
  far.close();
  loop_.add_handler(near.get(), handler_.function(), Events::kRead);
  EXPECT_LT(iterations_of_a_rest(), 20u);
  EXPECT_EQ(handler_.calls.size(), 1u);
  EXPECT_THAT(loop_.errors, IsEmpty());
  handler_.open();
  run_iterations(2);
  EXPECT_EQ(handler_.calls.size(), 2u) << "the hang-up is told again";
  EXPECT_TRUE(any(handler_.calls[1] & Events::kError));
}

TEST_P(HandlerTasks, LetTheLoopRestWhenTheirDescriptorHangsUpMeanwhile) {
  auto [near, far] = make_stream();
  EXPECT_EQ(::write(far.get(), "x", 1), 1);
  loop_.add_handler(near.get(), handler_.function(), Events::kRead);
  run_one_iteration();
  far.close();
  EXPECT_LT(iterations_of_a_rest(), 20u);
  EXPECT_EQ(handler_.calls.size(), 1u);
  loop_.remove_handler(near.get());
}

TEST_P(HandlerTasks, LetTheLoopRestWhenTheContextOfTheirSocketEndsMeanwhile) {
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  send(pair.far, "message");
  loop_.add_handler(pair.near, handler_.function(), Events::kRead);
  run_one_iteration();
  context_.shutdown();
  EXPECT_LT(iterations_of_a_rest(), 20u);
  loop_.remove_handler(pair.near);
}

}  // namespace
}  // namespace zmqloop::testing
