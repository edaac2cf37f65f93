// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Promises of every poller about paused registrations: their readiness is not reported, and ends no
// wait, until they are resumed; then all of it is reported. Also tests whether a registration still
// names the file or socket that was registered.

#include <arpa/inet.h>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <sys/epoll.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "tests/support/poller_backends.h"
#include "tests/support/refused_calls.h"
#include "tests/support/zmq_fixture.h"

namespace zmqloop::testing {
namespace {

// How often this thread has begun to wait in epoll_wait().
constinit thread_local int epoll_waits_begun = 0;

}  // namespace
}  // namespace zmqloop::testing

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
// Shadows the C library's function, to count the calls.
extern "C" int epoll_wait(int set, epoll_event* reports, int room, int timeout) {
  ++zmqloop::testing::epoll_waits_begun;
  using Wait = int(int, epoll_event*, int, int);
  static const auto next = zmqloop::testing::next_in_line<Wait>("epoll_wait");
  return next(set, reports, room, timeout);
}
#endif

namespace zmqloop::testing {
namespace {

using std::chrono::milliseconds;
using zmq::socket_type;

class PollerPause : public OnEveryBackend {
 protected:
  // A wait that neither ends nor sleeps would hang the test, so an alarm ends the process.
  PollerPause() { ::alarm(240); }
  ~PollerPause() override { ::alarm(0); }

  Events ready(std::uint64_t token) { return events_of(poll_now(*poller_), token); }

  // Waits like a loop with nothing else to do, and returns the errors of the registrations that
  // have ended meanwhile. Nothing may be ready, no wait may end early, and few waits may begin.
  // Needs real time, because a poller looks at everything after 100 ms.
  std::vector<int> ends_found_in_a_quiet_wait() {
    std::vector<int> ends;
    constexpr int kPolls = 1'000'000;
    refused_calls.poll_nth = kPolls;  // counts down, and is never reached
    const int begun_before = epoll_waits_begun;
    const TimePoint deadline = Clock::now() + milliseconds(150);
    while (Clock::now() < deadline) {
      for (const Ready& each : poller_->wait_until(deadline)) {
        EXPECT_NE(each.error, 0) << "token " << each.token << " is reported as ready";
        ends.push_back(each.error);
      }
      EXPECT_TRUE(!ends.empty() || Clock::now() >= deadline) << "the wait ended early";
    }
    const int polls = kPolls - std::exchange(refused_calls.poll_nth, 0);
    if (kCanRefuseCalls) {
      EXPECT_LT(epoll_waits_begun - begun_before + polls, 12) << "the poller does not sleep";
    }
    return ends;
  }
  void expect_a_quiet_wait() { EXPECT_TRUE(ends_found_in_a_quiet_wait().empty()); }

  // The same after a resume, and with many polls after that.
  std::vector<int> ends_found_after_resuming(Pollable pollable) {
    poller_->resume(pollable);
    std::vector<int> ends = ends_found_in_a_quiet_wait();
    for (int i = 0; i < 600; ++i) {
      for (const Ready& each : poll_now(*poller_)) ends.push_back(each.error);
    }
    return ends;
  }

  zmq::context_t context_;
};
ZMQLOOP_ON_EVERY_BACKEND(PollerPause);

// ---- descriptors -----------------------------------------------------------------------------

TEST_P(PollerPause, OfADescriptorHidesWhatItIsReadyForUntilItIsResumed) {
  const OwnedFd event = make_event(/*readable=*/true);
  poller_->add(event.get(), Events::kRead, 1);
  EXPECT_EQ(ready(1), Events::kRead);
  poller_->pause(event.get());
  expect_a_quiet_wait();
  poller_->resume(event.get());
  EXPECT_EQ(ready(1), Events::kRead);
  EXPECT_EQ(ready(1), Events::kRead) << "as level-triggered as before";
}

TEST_P(PollerPause, OfADescriptorHidesWhatComesMeanwhile) {
  const OwnedFd event = make_event();
  poller_->add(event.get(), Events::kRead, 1);
  poller_->pause(event.get());
  ring(event);
  expect_a_quiet_wait();
  poller_->resume(event.get());
  EXPECT_EQ(events_of(wait_for_any(*poller_), 1), Events::kRead);
}

TEST_P(PollerPause, LeavesOthersReported) {
  const OwnedFd paused = make_event(/*readable=*/true);
  const OwnedFd other = make_event(/*readable=*/true);
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  send(pair.far, "x");
  poller_->add(paused.get(), Events::kRead, 1);
  poller_->add(other.get(), Events::kRead, 2);
  poller_->add(pair.near, Events::kRead, 3);
  poller_->pause(paused.get());
  for (int i = 0; i < 3; ++i) {
    const std::vector<Ready> found = poll_now(*poller_);
    EXPECT_EQ(found.size(), 2u);
    EXPECT_EQ(events_of(found, 2), Events::kRead);
    EXPECT_EQ(events_of(found, 3), Events::kRead);
  }
  poller_->pause(pair.near);
  EXPECT_EQ(poll_now(*poller_).size(), 1u);
}

// The kernel reports errors and hang-ups even for an entry without interest.
TEST_P(PollerPause, HidesAHangUpThatIsThereAlready) {
  auto [near, far] = make_stream();
  poller_->add(near.get(), Events::kRead, 1);
  far.close();
  EXPECT_EQ(ready(1), Events::kRead | Events::kError);
  poller_->pause(near.get());
  expect_a_quiet_wait();
  expect_a_quiet_wait();
  poller_->resume(near.get());
  EXPECT_EQ(ready(1), Events::kRead | Events::kError);
}

TEST_P(PollerPause, HidesAHangUpThatComesMeanwhile) {
  auto [near, far] = make_stream();
  poller_->add(near.get(), Events::kNone, 1);
  poller_->pause(near.get());
  expect_a_quiet_wait();
  far.close();
  expect_a_quiet_wait();
  poller_->resume(near.get());
  EXPECT_EQ(ready(1), Events::kError);
}

TEST_P(PollerPause, HidesAnErrorUntilItIsResumed) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  OwnedFd reader(ends[0]);
  const OwnedFd writer(ends[1]);
  poller_->add(writer.get(), Events::kWrite, 1);
  poller_->pause(writer.get());
  reader.close();  // EPOLLERR
  expect_a_quiet_wait();
  poller_->resume(writer.get());
  EXPECT_EQ(ready(1), Events::kWrite | Events::kError);
}

TEST_P(PollerPause, KeepsTheInterestThatIsChangedMeanwhile) {
  auto [near, far] = make_stream();
  EXPECT_EQ(::write(far.get(), "x", 1), 1);
  poller_->add(near.get(), Events::kRead, 1);
  poller_->pause(near.get());
  poller_->modify(near.get(), Events::kWrite);
  expect_a_quiet_wait();
  poller_->resume(near.get());
  EXPECT_EQ(ready(1), Events::kWrite);
  poller_->modify(near.get(), Events::kRead);
  EXPECT_EQ(ready(1), Events::kRead);
}

TEST_P(PollerPause, TwiceIsEndedByOneResume) {
  const OwnedFd event = make_event(/*readable=*/true);
  poller_->add(event.get(), Events::kRead, 1);
  poller_->pause(event.get());
  poller_->pause(event.get());
  EXPECT_EQ(ready(1), Events::kNone);
  poller_->resume(event.get());
  EXPECT_EQ(ready(1), Events::kRead);
  poller_->resume(event.get());
  EXPECT_EQ(ready(1), Events::kRead);
}

TEST_P(PollerPause, ManyTimesLosesNothing) {
  const OwnedFd event = make_event();
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  poller_->add(event.get(), Events::kRead, 1);
  poller_->add(pair.near, Events::kRead, 2);
  for (int round = 0; round < 100; ++round) {
    poller_->pause(event.get());
    poller_->pause(pair.near);
    ring(event);
    send(pair.far, "x");
    EXPECT_TRUE(poll_now(*poller_).empty());
    poller_->resume(event.get());
    poller_->resume(pair.near);
    const std::vector<Ready> found = poll_now(*poller_);
    EXPECT_EQ(events_of(found, 1), Events::kRead);
    EXPECT_EQ(events_of(found, 2), Events::kRead);
    eventfd_t count = 0;
    EXPECT_EQ(eventfd_read(event.get(), &count), 0);
    EXPECT_EQ(receive(pair.near), "x");
    EXPECT_TRUE(poll_now(*poller_).empty());
  }
}

TEST_P(PollerPause, DoesNotKeepARegistrationFromBeingRemovedAndAddedAnew) {
  const OwnedFd event = make_event(/*readable=*/true);
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  send(pair.far, "x");
  poller_->add(event.get(), Events::kRead, 1);
  poller_->add(pair.near, Events::kRead, 2);
  poller_->pause(event.get());
  poller_->pause(pair.near);
  EXPECT_TRUE(poller_->remove(event.get()));
  EXPECT_TRUE(poller_->remove(pair.near));
  EXPECT_EQ(poller_->size(), 0u);
  poller_->resume(event.get());
  poller_->resume(pair.near);
  expect_a_quiet_wait();
  poller_->add(event.get(), Events::kRead, 3);
  poller_->add(pair.near, Events::kRead, 4);
  const std::vector<Ready> found = poll_now(*poller_);
  EXPECT_EQ(events_of(found, 3), Events::kRead) << "the new registration is not paused";
  EXPECT_EQ(events_of(found, 4), Events::kRead);
}

TEST_P(PollerPause, LetsReadyNowLook) {
  const OwnedFd event = make_event(/*readable=*/true);
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  poller_->add(event.get(), Events::kRead, 1);
  poller_->add(pair.near, Events::kRead, 2);
  EXPECT_EQ(ready(2), Events::kNone);
  poller_->pause(event.get());
  poller_->pause(pair.near);
  send(pair.far, "x");
  EXPECT_EQ(poller_->ready_now(event.get()), Events::kRead);
  EXPECT_EQ(poller_->ready_now(pair.near), Events::kRead) << "it takes the signal of the message";
  poller_->touch(pair.near);
  expect_a_quiet_wait();
  poller_->resume(pair.near);
  EXPECT_EQ(ready(2), Events::kRead);
}

// ---- descriptors that are closed meanwhile ---------------------------------------------------

// Opens a file that no poller can wait for, under exactly that number.
OwnedFd open_file_as(int number) {
  OwnedFd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  if (file.get() == number) return file;
  EXPECT_EQ(dup3(file.get(), number, O_CLOEXEC), number);
  return OwnedFd(number);
}
OwnedFd open_event_as(int number) {
  OwnedFd event = make_event(/*readable=*/true);
  if (event.get() == number) return event;
  EXPECT_EQ(dup3(event.get(), number, O_CLOEXEC), number);
  return OwnedFd(number);
}

TEST_P(PollerPause, ReportsTheEndOfADescriptorThatIsClosedMeanwhileOnce) {
  OwnedFd event = make_event(/*readable=*/true);
  const int number = event.get();
  poller_->add(number, Events::kRead, 1);
  poller_->pause(number);
  event.close();
  EXPECT_EQ(ends_found_after_resuming(number), std::vector<int>{EBADF});
  EXPECT_EQ(poller_->size(), 0u);
}

TEST_P(PollerPause, ReportsTheEndOfADescriptorThatIsNeverResumedOnce) {
  OwnedFd event = make_event(/*readable=*/true);
  const int number = event.get();
  poller_->add(number, Events::kRead, 1);
  poller_->pause(number);
  event.close();
  EXPECT_EQ(ends_found_in_a_quiet_wait(), std::vector<int>{EBADF});
  EXPECT_EQ(poller_->size(), 0u);
  EXPECT_TRUE(ends_found_after_resuming(number).empty());
}

TEST_P(PollerPause, RemovesADescriptorThatIsClosedMeanwhileQuietly) {
  OwnedFd event = make_event(/*readable=*/true);
  const int number = event.get();
  poller_->add(number, Events::kRead, 1);
  poller_->pause(number);
  event.close();
  EXPECT_TRUE(poller_->remove(number));
  EXPECT_TRUE(ends_found_after_resuming(number).empty());
}

TEST_P(PollerPause, NeverReportsAnotherFileUnderTheNumber) {
  OwnedFd event = make_event();
  const int number = event.get();
  poller_->add(number, Events::kRead, 1);
  poller_->pause(number);
  event.close();
  const OwnedFd other = open_event_as(number);
  EXPECT_EQ(ends_found_after_resuming(number), std::vector<int>{EBADF});
  EXPECT_EQ(poller_->size(), 0u);
}

TEST_P(PollerPause, NeverReportsARegularFileUnderTheNumber) {
  OwnedFd event = make_event();
  const int number = event.get();
  poller_->add(number, Events::kRead, 1);
  poller_->pause(number);
  event.close();
  const OwnedFd other = open_file_as(number);
  EXPECT_EQ(ends_found_after_resuming(number), std::vector<int>{EBADF});
  EXPECT_EQ(poller_->size(), 0u);
}

TEST_P(PollerPause, TellsOfARegularFileUnderTheNumberWithoutAResume) {
  OwnedFd event = make_event();
  const int number = event.get();
  poller_->add(number, Events::kRead, 1);
  poller_->pause(number);
  event.close();
  const OwnedFd other = open_file_as(number);
  EXPECT_EQ(ends_found_in_a_quiet_wait(), std::vector<int>{EBADF});
}

TEST_P(PollerPause, GivesTheNumberOfAClosedOneToANewRegistration) {
  OwnedFd event = make_event();
  const int number = event.get();
  poller_->add(number, Events::kRead, 1);
  poller_->pause(number);
  event.close();
  const OwnedFd other = open_event_as(number);
  poller_->add(number, Events::kRead, 2);
  EXPECT_EQ(poller_->size(), 1u);
  EXPECT_EQ(ready(2), Events::kRead) << "the new registration is not paused";
}

// The kernel still holds an entry for a file that a duplicate keeps open and readable.
class PollerPauseOfADuplicate : public PollerPause {
 protected:
  PollerPauseOfADuplicate() {
    poller_->add(number_, Events::kRead, 1);
    // So that the next wait does not begin with a look at everything.
    EXPECT_TRUE(poller_->wait(milliseconds(1)).empty());
    ring(duplicate_);
  }
  void expect_one_end() {
    std::vector<int> ends = ends_found_in_a_quiet_wait();
    for (const int each : ends_found_after_resuming(number_)) ends.push_back(each);
    EXPECT_EQ(ends, std::vector<int>{EBADF});
    EXPECT_EQ(poller_->size(), 0u);
  }

  OwnedFd event_ = make_event();
  const OwnedFd duplicate_{fcntl(event_.get(), F_DUPFD_CLOEXEC, 0)};
  const int number_ = event_.get();
};
ZMQLOOP_ON_EVERY_BACKEND(PollerPauseOfADuplicate);

TEST_P(PollerPauseOfADuplicate, LetsThePollerSleepIfItIsClosedBefore) {
  event_.close();
  poller_->pause(number_);
  expect_one_end();
}

TEST_P(PollerPauseOfADuplicate, LetsThePollerSleepIfItIsClosedMeanwhile) {
  poller_->pause(number_);
  event_.close();
  expect_one_end();
}

TEST_P(PollerPauseOfADuplicate, LetsThePollerSleepIfItsNumberIsUsedAgain) {
  event_.close();
  const OwnedFd other = open_event_as(number_);
  poller_->pause(number_);
  expect_one_end();
}

// ---- sockets ---------------------------------------------------------------------------------

TEST_P(PollerPause, OfASocketHidesItsMessagesUntilItIsResumed) {
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  poller_->add(pair.near, Events::kRead, 1);
  send(pair.far, "a");
  EXPECT_EQ(ready(1), Events::kRead);
  poller_->pause(pair.near);
  expect_a_quiet_wait();
  poller_->resume(pair.near);
  EXPECT_EQ(events_of(wait_for_any(*poller_), 1), Events::kRead);
  EXPECT_EQ(ready(1), Events::kRead) << "as level-triggered as before";
}

TEST_P(PollerPause, OfASocketHidesMessagesThatComeMeanwhile) {
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  poller_->add(pair.near, Events::kRead, 1);
  EXPECT_EQ(ready(1), Events::kNone);
  poller_->pause(pair.near);
  for (int i = 0; i < 5; ++i) {
    send(pair.far, "x");
    EXPECT_EQ(ready(1), Events::kNone);
  }
  expect_a_quiet_wait();
  poller_->resume(pair.near);
  EXPECT_EQ(events_of(wait_for_any(*poller_), 1), Events::kRead);
}

// The task of a handler uses the socket like this, while the handler is paused.
TEST_P(PollerPause, OfASocketLetsItBeUsedMeanwhile) {
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  poller_->add(pair.near, Events::kRead, 1);
  send(pair.far, "a");
  EXPECT_EQ(ready(1), Events::kRead);
  poller_->pause(pair.near);
  EXPECT_EQ(receive(pair.near), "a");
  EXPECT_EQ(receive(pair.near), std::nullopt);
  send(pair.far, "b");
  send(pair.near, "answer");  // takes the signal
  expect_a_quiet_wait();
  poller_->resume(pair.near);
  EXPECT_EQ(ready(1), Events::kRead);
  EXPECT_EQ(receive(pair.near), "b");
  EXPECT_EQ(ready(1), Events::kNone);
}

TEST_P(PollerPause, OfASocketKeepsTheInterestThatIsChangedMeanwhile) {
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  poller_->add(pair.near, Events::kRead, 1);
  send(pair.far, "x");
  poller_->pause(pair.near);
  poller_->modify(pair.near, Events::kWrite);
  expect_a_quiet_wait();
  poller_->resume(pair.near);
  EXPECT_EQ(ready(1), Events::kWrite);
}

TEST_P(PollerPause, OfReqAndRepHidesTheirTurns) {
  SocketPair pair(context_, socket_type::rep, socket_type::req);
  poller_->add(pair.near, Events::kRead | Events::kWrite, 1);
  poller_->add(pair.far, Events::kRead | Events::kWrite, 2);
  EXPECT_EQ(ready(1), Events::kNone);
  poller_->pause(pair.near);
  poller_->pause(pair.far);
  send(pair.far, "question");
  expect_a_quiet_wait();
  poller_->resume(pair.near);
  EXPECT_EQ(ready(1), Events::kRead);
  EXPECT_EQ(receive(pair.near), "question");
  EXPECT_EQ(ready(1), Events::kWrite);
  poller_->pause(pair.near);
  send(pair.near, "answer");
  expect_a_quiet_wait();
  poller_->resume(pair.far);
  EXPECT_EQ(ready(2), Events::kRead);
  EXPECT_EQ(receive(pair.far), "answer");
  EXPECT_EQ(ready(2), Events::kWrite);
  EXPECT_EQ(ready(1), Events::kNone);
}

TEST_P(PollerPause, HidesTheEndOfAContextUntilItIsResumed) {
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  poller_->add(pair.near, Events::kRead, 1);
  poller_->add(pair.far, Events::kRead, 2);
  EXPECT_TRUE(poll_now(*poller_).empty());
  poller_->pause(pair.near);
  context_.shutdown();
  EXPECT_EQ(ends_found_in_a_quiet_wait(), std::vector<int>{ETERM}) << "of the other one";
  EXPECT_EQ(poller_->size(), 1u);
  EXPECT_EQ(ends_found_after_resuming(pair.near), std::vector<int>{ETERM});
  EXPECT_EQ(poller_->size(), 0u);
}

// ---- targets of a pause ----------------------------------------------------------------------

TEST_P(PollerPause, OfWhatIsNotRegisteredHasNoEffect) {
  const OwnedFd event = make_event(/*readable=*/true);
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  for (const Pollable& each :
       {Pollable(event.get()), Pollable(pair.near), Pollable(-1), Pollable(99'999)}) {
    poller_->pause(each);
    poller_->resume(each);
    EXPECT_FALSE(poller_->is_intact(each));
  }
  expect_a_quiet_wait();
  EXPECT_EQ(poller_->size(), 0u);
  poller_->add(event.get(), Events::kRead, 1);
  EXPECT_EQ(ready(1), Events::kRead) << "an earlier pause is not remembered";
}

TEST_P(PollerPause, OfASocketsDescriptorIsNotThatOfTheSocket) {
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  send(pair.far, "x");
  poller_->add(pair.near, Events::kRead, 1);
  poller_->pause(pair.near.get(zmq::sockopt::fd));
  EXPECT_EQ(ready(1), Events::kRead);
}

TEST_P(PollerPause, AfterCloseIsRefused) {
  const OwnedFd event = make_event();
  poller_->add(event.get(), Events::kRead, 1);
  poller_->close();
  EXPECT_THROW(poller_->pause(event.get()), std::logic_error);
  EXPECT_THROW(poller_->resume(event.get()), std::logic_error);
  EXPECT_FALSE(poller_->is_intact(event.get()));
}

TEST_P(PollerPause, InAForkedChildIsRefused) {
  const OwnedFd event = make_event();
  poller_->add(event.get(), Events::kRead, 1);
  EXPECT_EQ(exit_code_of_child([&] {
              int refused = 0;
              for (const bool resume : {false, true}) {
                try {
                  resume ? poller_->resume(event.get()) : poller_->pause(event.get());
                } catch (const std::logic_error&) {
                  ++refused;
                }
              }
              return refused == 2 ? 0 : 1;
            }),
            0);
}

// ---- whether a registration is intact --------------------------------------------------------

class PollerIsIntact : public PollerPause {};
ZMQLOOP_ON_EVERY_BACKEND(PollerIsIntact);

TEST_P(PollerIsIntact, SaysSoOfWhatIsOpen) {
  const OwnedFd event = make_event(/*readable=*/true);
  SocketPair pair(context_, socket_type::pair, socket_type::pair);
  poller_->add(event.get(), Events::kRead, 1);
  poller_->add(pair.near, Events::kRead, 2);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(poller_->is_intact(event.get()));
    EXPECT_TRUE(poller_->is_intact(pair.near));
    EXPECT_FALSE(poller_->is_intact(pair.far)) << "not registered";
    EXPECT_EQ(ready(1), Events::kRead) << "to ask changes nothing";
    poller_->pause(event.get());
    poller_->pause(pair.near);
    EXPECT_TRUE(poller_->is_intact(event.get()));
    EXPECT_TRUE(poller_->is_intact(pair.near));
    expect_a_quiet_wait();
    poller_->resume(event.get());
    poller_->resume(pair.near);
  }
}

TEST_P(PollerIsIntact, DeniesItOfAClosedDescriptor) {
  OwnedFd event = make_event();
  const int number = event.get();
  poller_->add(number, Events::kRead, 1);
  event.close();
  EXPECT_FALSE(poller_->is_intact(number));
}

TEST_P(PollerIsIntact, DeniesItOfANumberThatNamesAnotherFile) {
  for (const bool regular : {false, true}) {
    OwnedFd event = make_event();
    const int number = event.get();
    poller_->add(number, Events::kRead, 1);
    event.close();
    const OwnedFd other = regular ? open_file_as(number) : open_event_as(number);
    EXPECT_FALSE(poller_->is_intact(number)) << "regular: " << regular;
    EXPECT_TRUE(poller_->remove(number));
  }
}

TEST_P(PollerIsIntact, DeniesItOfANumberThatNamesADirectory) {
  OwnedFd event = make_event();
  const int number = event.get();
  poller_->add(number, Events::kRead, 1);
  event.close();
  OwnedFd other(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (other.get() != number) {
    ASSERT_EQ(dup3(other.get(), number, O_CLOEXEC), number);
    other = OwnedFd(number);
  }
  EXPECT_FALSE(poller_->is_intact(number));
}

TEST_P(PollerIsIntact, DeniesItOfAPausedNumberThatNamesAnotherFile) {
  for (const bool regular : {false, true}) {
    OwnedFd event = make_event();
    const int number = event.get();
    poller_->add(number, Events::kRead, 1);
    poller_->pause(number);
    event.close();
    const OwnedFd other = regular ? open_file_as(number) : open_event_as(number);
    EXPECT_FALSE(poller_->is_intact(number)) << "regular: " << regular;
    EXPECT_TRUE(poller_->remove(number));
  }
}

// The socket still has to be closed, and its context waits for that.
TEST_P(PollerIsIntact, SaysSoOfASocketWhoseContextWasTerminated) {
  for (const bool knows : {false, true}) {
    zmq::context_t context;
    SocketPair pair(context, socket_type::pair, socket_type::pair);
    poller_->add(pair.near, Events::kRead, 1);
    context.shutdown();
    if (knows) {
      EXPECT_THROW(receive(pair.near), zmq::error_t);  // ETERM
    }
    EXPECT_TRUE(poller_->is_intact(pair.near)) << "the socket knows: " << knows;
    EXPECT_TRUE(poller_->remove(pair.near));
  }
}

// See poller_ended_test.cc: a closed socket must not be freed while a test looks at it.
class PollerClosedSocketPause : public PollerPause {
 protected:
  PollerClosedSocketPause() : socket_(context_, socket_type::push) {
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
  ~PollerClosedSocketPause() override {
    port_holder_.close();
    zmq::socket_t peer(context_, socket_type::pull);
    peer.bind(endpoint_);
    zmq::message_t message;
    EXPECT_TRUE(peer.recv(message));
  }

  OwnedFd port_holder_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::string endpoint_;
  zmq::socket_t socket_;
};
ZMQLOOP_ON_EVERY_BACKEND(PollerClosedSocketPause);

TEST_P(PollerClosedSocketPause, ReportsItsEndOnceItIsResumed) {
  poller_->add(socket_, Events::kRead, 1);
  const Pollable closed = zmq::socket_ref(socket_);
  poller_->pause(closed);
  socket_.close();
  EXPECT_EQ(ends_found_after_resuming(closed), std::vector<int>{ENOTSOCK});
  EXPECT_EQ(poller_->size(), 0u);
}

TEST_P(PollerClosedSocketPause, IsNotIntact) {
  poller_->add(socket_, Events::kRead, 1);
  const Pollable closed = zmq::socket_ref(socket_);
  EXPECT_TRUE(poller_->is_intact(closed));
  socket_.close();
  EXPECT_FALSE(poller_->is_intact(closed));
  EXPECT_TRUE(poller_->remove(closed));
}

}  // namespace
}  // namespace zmqloop::testing
