// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// I/O handlers: how they are called, and how adding, updating and removing affect a poll's batch.

#include <algorithm>
#include <fcntl.h>
#include <memory>
#include <string>
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

// Makes an eventfd under `number`, which must be free.
OwnedFd reopen_as(int number, bool readable) {
  OwnedFd fresh = make_event(readable);
  if (fresh.get() == number) return fresh;
  EXPECT_EQ(dup3(fresh.get(), number, O_CLOEXEC), number);
  return OwnedFd(number);
}

class IOLoopHandlers : public OnBothPollers {
 protected:
  auto write(char letter) {
    return [this, letter] { log_ += letter; };
  }

  std::string log_;
  zmq::context_t context_;
  OwnedFd event_ = make_event(/*readable=*/true);
  OwnedFd second_ = make_event(/*readable=*/true);
};
ZMQLOOP_ON_BOTH_POLLERS(IOLoopHandlers);

// ---- calling ----

TEST_P(IOLoopHandlers, AreCalledWithWhatWasRegisteredAndTheEvents) {
  Pollable got(-1);
  Events events = Events::kNone;
  loop_.add_handler(
      event_.get(),
      [&](Pollable pollable, Events ready) {
        got = pollable;
        events = ready;
      },
      Events::kRead | Events::kWrite);
  run_one_iteration();
  EXPECT_EQ(got, Pollable(event_.get()));
  EXPECT_EQ(events, Events::kRead | Events::kWrite);
}

TEST_P(IOLoopHandlers, MayTakeNothingOrAnything) {
  loop_.add_handler(
      event_.get(), [this] { log_ += 'n'; }, Events::kRead);
  loop_.add_handler(
      second_.get(),
      [this](auto pollable, auto events) {
        log_ += pollable == Pollable(second_.get()) && any(events) ? 'g' : 'x';
      },
      Events::kRead);
  const OwnedFd third = make_event(/*readable=*/true);
  loop_.add_handler(
      third.get(), [this](auto&&... arguments) { log_ += sizeof...(arguments) == 2 ? 'v' : 'x'; },
      Events::kRead);
  const OwnedFd fourth = make_event(/*readable=*/true);
  loop_.add_handler(
      fourth.get(), [this, moved = std::make_unique<char>('m')] { log_ += *moved; }, Events::kRead);
  run_one_iteration();
  std::sort(log_.begin(), log_.end());
  EXPECT_EQ(log_, "gmnv");
}

TEST_P(IOLoopHandlers, AreCalledAgainWhileTheDescriptorStaysReady) {
  loop_.add_handler(event_.get(), write('h'), Events::kRead);
  for (int i = 0; i < 3; ++i) run_one_iteration();
  EXPECT_EQ(log_, "hhh");
}

TEST_P(IOLoopHandlers, TakeAnythingThatNamesADescriptorOrSocket) {
  SocketPair by_object(context_, socket_type::pair, socket_type::pair);
  SocketPair by_reference(context_, socket_type::pair, socket_type::pair);
  send(by_object.far, "x");
  send(by_reference.far, "x");
  loop_.add_handler(event_, write('o'), Events::kRead);  // has fileno()
  loop_.add_handler(by_object.near, write('s'), Events::kRead);
  loop_.add_handler(zmq::socket_ref(by_reference.near), write('r'), Events::kRead);
  run_one_iteration();
  std::sort(log_.begin(), log_.end());
  EXPECT_EQ(log_, "ors");
  loop_.remove_handler(event_.get());
  loop_.remove_handler(zmq::socket_ref(by_object.near));
  loop_.remove_handler(by_reference.near);
  EXPECT_EQ(loop_.close().handlers_removed, 0u);
}

TEST_P(IOLoopHandlers, Rel_F10_HearOfErrorsWithoutAskingForThem) {
  auto [near, far] = make_stream();
  far.close();
  Events events = Events::kNone;
  loop_.add_handler(
      near.get(),
      [&](Pollable self, Events ready) {
        events = ready;
        loop_.remove_handler(self);
      },
      Events::kNone);
  run_one_iteration();
  EXPECT_EQ(events, Events::kError);
}

TEST_P(IOLoopHandlers, Rel_F10_ThatLeaveAHungUpDescriptorAloneAreReportedOnce) {
  for (const Events asked_for : {Events::kNone, Events::kRead}) {
    auto [near, far] = make_stream();
    far.close();
    int calls = 0;
    loop_.add_handler(
        near.get(),
        [&] {
          if (++calls == 3'000) loop_.stop();
        },
        asked_for);
    loop_.errors.clear();
    loop_.start();
    ASSERT_EQ(loop_.errors.size(), 1u);
    EXPECT_THAT(loop_.what(0), HasSubstr("fd " + std::to_string(near.get())));
    EXPECT_THAT(loop_.what(0), HasSubstr("call remove_handler"));
    loop_.remove_handler(near.get());
  }
}

TEST_P(IOLoopHandlers, ThatReadWhatAHungUpDescriptorHasLeftAreNotReported) {
  auto [near, far] = make_stream();
  const std::string left(3'000, 'x');
  ASSERT_EQ(::write(far.get(), left.data(), left.size()), static_cast<ssize_t>(left.size()));
  far.close();
  int calls = 0;
  loop_.add_handler(
      near.get(),
      [&] {
        char byte = 0;
        ++calls;
        if (::read(near.get(), &byte, 1) == 1) return;
        loop_.remove_handler(near.get());
        loop_.stop();
      },
      Events::kRead);
  loop_.start();
  EXPECT_EQ(calls, 3'001);
  EXPECT_TRUE(loop_.errors.empty());
}

TEST_P(IOLoopHandlers, CarryARequestAndItsReplyOnOneLoop) {
  SocketPair pair(context_, socket_type::rep, socket_type::req);
  loop_.add_handler(
      pair.near,
      [&] {
        const auto request = receive(pair.near);
        if (request) send(pair.near, *request + "!");
      },
      Events::kRead);
  int replies = 0;
  loop_.add_handler(
      pair.far,
      [&] {
        const auto reply = receive(pair.far);
        if (!reply) return;
        EXPECT_EQ(*reply, "request!");
        if (++replies == 1'000) return loop_.stop();
        send(pair.far, "request");
      },
      Events::kRead);
  send(pair.far, "request");
  loop_.start();
  EXPECT_EQ(replies, 1'000);
}

TEST_P(IOLoopHandlers, HearOfASocketThatAnotherCallbackConnectedAfterATouch) {
  zmq::socket_t near(context_, socket_type::dealer);
  zmq::socket_t far(context_, socket_type::dealer);
  const std::string address = SocketPair::unused_address();
  far.bind(address);
  loop_.add_handler(
      near,
      [&](Pollable, Events events) {
        EXPECT_EQ(events, Events::kWrite);
        loop_.stop();
      },
      Events::kWrite);
  run_one_iteration();  // not connected: not writable
  loop_.add_callback([&] {
    near.connect(address);
    loop_.touch(near);
  });
  loop_.start();
}

// ---- changing ----

TEST_P(IOLoopHandlers, Rel_F6_AreNotReplacedByASecondOne) {
  loop_.add_handler(event_.get(), write('1'), Events::kRead);
  const auto alive = std::make_shared<int>();
  const std::string text = error_of<std::invalid_argument>([&] {
    loop_.add_handler(
        event_.get(), [alive] {}, Events::kWrite);
  });
  EXPECT_THAT(text, HasSubstr("fd " + std::to_string(event_.get())));
  EXPECT_EQ(alive.use_count(), 1);
  EXPECT_THROW(loop_.add_handler(
                   event_, [] {}, Events::kRead),
               std::invalid_argument);
  run_one_iteration();
  EXPECT_EQ(log_, "1");

  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  loop_.add_handler(
      pair.near, [] {}, Events::kRead);
  EXPECT_THROW(loop_.add_handler(
                   zmq::socket_ref(pair.near), [] {}, Events::kRead),
               std::invalid_argument);
}

TEST_P(IOLoopHandlers, GetNoEventThatAnUpdateTookAwayInTheSameBatch) {
  for (const int fd : {event_.get(), second_.get()}) {
    loop_.add_handler(
        fd,
        [this, fd] {
          log_ += 'h';
          loop_.update_handler(fd == event_.get() ? second_.get() : event_.get(), Events::kNone);
        },
        Events::kRead);
  }
  run_one_iteration();
  EXPECT_EQ(log_, "h") << "the first silenced the second";
}

TEST_P(IOLoopHandlers, GetTheEventsOfAnUpdate) {
  Events seen = Events::kNone;
  loop_.add_handler(
      event_.get(),
      [&](Pollable, Events events) {
        seen = events;
        log_ += 'h';
      },
      Events::kNone);
  run_one_iteration();
  EXPECT_EQ(log_, "");
  loop_.update_handler(event_.get(), Events::kWrite);
  run_one_iteration();
  EXPECT_EQ(seen, Events::kWrite);
  loop_.update_handler(event_.get(), Events::kNone);
  run_one_iteration();
  EXPECT_EQ(log_, "h");
}

TEST_P(IOLoopHandlers, Rel_F1_RemovedByAnotherOneOfTheBatchAreNotCalled) {
  for (const int fd : {event_.get(), second_.get()}) {
    loop_.add_handler(
        fd,
        [this, fd] {
          log_ += 'h';
          loop_.remove_handler(fd == event_.get() ? second_.get() : event_.get());
        },
        Events::kRead);
  }
  run_one_iteration();
  EXPECT_EQ(log_, "h");
}

TEST_P(IOLoopHandlers, Rel_F12_ThatRemoveThemselvesLiveUntilTheyReturn) {
  std::string order;
  loop_.add_handler(
      event_.get(),
      [&, end = std::make_shared<AtDestruction>([&] { order += 'd'; })](Pollable self, Events) {
        loop_.remove_handler(self);
        order += 'h';
        loop_.add_handler(
            self, [&] { order += 'n'; }, Events::kRead);
        order += 'h';
      },
      Events::kRead);
  run_one_iteration();
  EXPECT_EQ(order, "hhd");
  run_one_iteration();
  EXPECT_EQ(order, "hhdn");
}

TEST_P(IOLoopHandlers, ThatRemoveAndAddThemselvesAgainAndAgainWhileTheyRunLive) {
  const auto alive = std::make_shared<std::string>("alive");
  loop_.add_handler(
      event_.get(),
      [this, alive](Pollable self, Events) {
        for (int i = 0; i < 10; ++i) {
          loop_.remove_handler(self);
          loop_.add_handler(
              self, [] {}, Events::kRead);
        }
        log_ += *alive;
      },
      Events::kRead);
  run_one_iteration();
  EXPECT_EQ(log_, "alive");
  EXPECT_EQ(alive.use_count(), 1);
}

TEST_P(IOLoopHandlers, Rel_F2_AddedAgainInTheBatchGetNoEventOfTheOldRegistration) {
  for (const int fd : {event_.get(), second_.get()}) {
    loop_.add_handler(
        fd,
        [this, fd](Pollable self, Events) {
          log_ += 'h';
          const int other = fd == event_.get() ? second_.get() : event_.get();
          loop_.remove_handler(self);
          loop_.remove_handler(other);
          loop_.add_handler(
              other, [this] { log_ += 'n'; }, Events::kRead);
        },
        Events::kRead);
  }
  run_one_iteration();
  EXPECT_EQ(log_, "h") << "the second was polled for a registration that is gone";
  run_one_iteration();
  EXPECT_EQ(log_, "hn");
}

TEST_P(IOLoopHandlers, OfANumberReusedInTheBatchGetNoEventOfTheOldDescriptor) {
  for (OwnedFd* const each : {&event_, &second_}) {
    loop_.add_handler(
        each->get(),
        [this, each](Pollable self, Events) {
          log_ += 'h';
          OwnedFd& other = each == &event_ ? second_ : event_;
          const int number = other.get();
          loop_.remove_handler(self);
          loop_.remove_handler(number);
          other.close();
          other = reopen_as(number, /*readable=*/false);
          loop_.add_handler(
              number, [this] { log_ += 'x'; }, Events::kRead);
        },
        Events::kRead);
  }
  run_one_iteration();
  run_one_iteration();
  EXPECT_EQ(log_, "h");
}

TEST_P(IOLoopHandlers, OfADescriptorClosedAndReusedWithoutRemovalAreReplaced) {
  const auto alive = std::make_shared<int>();
  loop_.add_handler(
      event_.get(), [this, alive] { log_ += 'x'; }, Events::kRead);
  const int number = event_.release();
  close(number);
  const OwnedFd fresh = reopen_as(number, /*readable=*/true);
  loop_.add_handler(number, write('n'), Events::kRead);
  EXPECT_EQ(alive.use_count(), 1) << "the stale handler is gone";
  run_one_iteration();
  EXPECT_EQ(log_, "n");
  EXPECT_TRUE(loop_.errors.empty());
  EXPECT_EQ(loop_.close().handlers_removed, 1u);
}

TEST_P(IOLoopHandlers, MayBeRemovedByTheDestructorsOfOthers) {
  loop_.add_handler(second_.get(), write('x'), Events::kRead);
  loop_.add_handler(
      event_.get(),
      [end = std::make_shared<AtDestruction>([this] { loop_.remove_handler(second_.get()); })] {},
      Events::kRead);
  loop_.remove_handler(event_.get());
  run_one_iteration();
  EXPECT_EQ(log_, "");
  EXPECT_EQ(loop_.close().handlers_removed, 0u);
}

TEST_P(IOLoopHandlers, MayAddManyOthersWhileTheyRun) {
  std::vector<OwnedFd> events;
  int calls = 0;
  loop_.add_handler(
      event_.get(),
      [&, alive = std::make_unique<std::string>("alive")](Pollable self, Events) {
        for (int i = 0; i < 200; ++i) {
          events.push_back(make_event(/*readable=*/true));
          loop_.add_handler(
              events.back().get(), [&] { ++calls; }, Events::kRead);
        }
        loop_.remove_handler(self);
        log_ += *alive;
      },
      Events::kRead);
  run_one_iteration();
  EXPECT_EQ(log_, "alive");
  EXPECT_EQ(calls, 0);
  run_one_iteration();
  run_one_iteration();
  EXPECT_GE(calls, 200);
}

TEST_P(IOLoopHandlers, OfMoreReadyDescriptorsThanFitInOneBatchAreServedWithinTwoRounds) {
  constexpr std::size_t kMany = 400;
  std::vector<OwnedFd> events;
  std::vector<int> calls(kMany, 0);
  for (std::size_t i = 0; i < kMany; ++i) {
    events.push_back(make_event(/*readable=*/true));
    loop_.add_handler(
        events.back().get(), [&calls, i] { ++calls[i]; }, Events::kRead);
  }
  run_one_iteration();
  run_one_iteration();
  EXPECT_EQ(std::count(calls.begin(), calls.end(), 0), 0);
}

// ---- errors ----

TEST_P(IOLoopHandlers, Rel_F7_UnknownToTheLoopCannotBeUpdatedButRemovedWithoutEffect) {
  EXPECT_THAT(
      error_of<std::invalid_argument>([&] { loop_.update_handler(event_.get(), Events::kRead); }),
      HasSubstr("fd " + std::to_string(event_.get())));
  loop_.remove_handler(event_.get());
  loop_.remove_handler(-1);
  loop_.remove_handler(1'000'000);
  loop_.remove_handler(zmq::socket_ref());
  EXPECT_THROW(loop_.touch(event_.get()), std::invalid_argument);
}

TEST_P(IOLoopHandlers, CannotWaitForRegularFilesAndDirectories) {
  char name[] = "/tmp/zmqloop-handlers-XXXXXX";
  const OwnedFd file(mkstemp(name));
  unlink(name);
  const OwnedFd directory(open("/tmp", O_RDONLY | O_CLOEXEC));
  for (const int fd : {file.get(), directory.get()}) {
    try {
      loop_.add_handler(
          fd, [] {}, Events::kRead);
      ADD_FAILURE() << "accepted";
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code().value(), EPERM);
      EXPECT_THAT(error.what(), HasSubstr("fd " + std::to_string(fd)));
    }
  }
  EXPECT_EQ(loop_.close().handlers_removed, 0u);
}

TEST_P(IOLoopHandlers, CannotWaitForWhatIsNotOpen) {
  const int closed = fcntl(event_.get(), F_DUPFD_CLOEXEC, 0);
  close(closed);
  EXPECT_THROW(loop_.add_handler(
                   closed, [] {}, Events::kRead),
               std::system_error);
  EXPECT_THROW(loop_.add_handler(
                   -1, [] {}, Events::kRead),
               std::invalid_argument);
  EXPECT_THROW(loop_.add_handler(
                   zmq::socket_ref(), [] {}, Events::kRead),
               std::invalid_argument);
  EXPECT_THROW(loop_.add_handler(
                   event_.get(), [] {}, static_cast<Events>(2)),
               std::invalid_argument);
  loop_.add_handler(event_.get(), write('h'), Events::kRead);
  EXPECT_THROW(loop_.update_handler(event_.get(), static_cast<Events>(64)), std::invalid_argument);
  run_one_iteration();
  EXPECT_EQ(log_, "h") << "a call that throws changes nothing";
}

}  // namespace
}  // namespace zmqloop::testing
