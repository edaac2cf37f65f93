// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The steps of one iteration and their order, and that nothing starves.
//
// Each test writes a letter per callback that ran; the order of the letters is the promise.

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/loop_fixture.h"
#include "tests/support/zmq_fixture.h"
#include <gtest/gtest.h>
#include <zmq.hpp>

namespace zmqloop::testing {
namespace {

class IOLoopIteration : public OnBothPollers {
 protected:
  auto write(char letter) {
    return [this, letter] { log_ += letter; };
  }
  // Registers a ready descriptor whose handler writes a letter, once.
  void make_ready(char letter) {
    ready_.push_back(make_event(/*readable=*/true));
    loop_.add_handler(
        ready_.back().get(),
        [this, letter](Pollable self, Events) {
          log_ += letter;
          loop_.remove_handler(self);
        },
        Events::kRead);
  }

  std::string log_;
  std::vector<OwnedFd> ready_;
};
ZMQLOOP_ON_BOTH_POLLERS(IOLoopIteration);

TEST_P(IOLoopIteration, RunsTheQueuedCallbacksInOrder) {
  for (const char letter : std::string("abcdefgh")) loop_.add_callback(write(letter));
  loop_.add_callback([this] { loop_.stop(); });
  loop_.start();
  EXPECT_EQ(log_, "abcdefgh");
}

TEST_P(IOLoopIteration, RunsCallbacksThenTimersThenPollsThenHandlers) {
  make_ready('h');
  loop_.add_timeout(loop_.time(), write('t'));
  loop_.add_callback([this] {
    log_ += 'a';
    loop_.add_callback([this] {
      log_ += 'b';
      loop_.stop();
    });
  });
  loop_.start();
  EXPECT_EQ(log_, "athb");
}

TEST_P(IOLoopIteration, RunsACallbackAddedMeanwhileInTheNextIterationAfterAPoll) {
  make_ready('h');
  loop_.add_callback([this] {
    log_ += 'a';
    loop_.add_callback([this] {
      log_ += 'c';
      loop_.stop();
    });
  });
  loop_.add_callback(write('b'));
  loop_.start();
  EXPECT_EQ(log_, "abhc");
}

TEST_P(IOLoopIteration, RunsACallbackAddedByAHandlerBeforeTheNextPoll) {
  const OwnedFd event = make_event(/*readable=*/true);
  loop_.add_handler(
      event.get(),
      [this] {
        log_ += 'h';
        if (log_ == "h") loop_.add_callback(write('a'));
        if (log_ == "hah") loop_.stop();
      },
      Events::kRead);
  loop_.start();
  EXPECT_EQ(log_, "hah");
}

TEST_P(IOLoopIteration, RunsATimerThatACallbackMadeDueBeforeThePoll) {
  make_ready('h');
  loop_.add_callback([this] {
    log_ += 'a';
    loop_.add_timeout(Duration::zero(), write('t'));
    loop_.add_callback([this] { loop_.stop(); });
  });
  loop_.start();
  EXPECT_EQ(log_, "ath");
}

TEST_P(IOLoopIteration, RunsATimerAddedByATimerInThePastAfterAPoll) {
  make_ready('h');
  loop_.add_timeout(loop_.time(), [this] {
    log_ += 's';
    loop_.add_timeout(loop_.time() - 1h, [this] {
      log_ += 't';
      loop_.stop();
    });
  });
  loop_.start();
  EXPECT_EQ(log_, "sht");
}

TEST_P(IOLoopIteration, RunsACallbackPostedByATimerAfterAPoll) {
  make_ready('h');
  loop_.add_timeout(loop_.time(), [this] {
    log_ += 't';
    loop_.add_callback([this] {
      log_ += 'a';
      loop_.stop();
    });
  });
  loop_.start();
  EXPECT_EQ(log_, "tha");
}

TEST_P(IOLoopIteration, Rel_J6_DoesNotRunATimerThatAnEarlierOneOfTheBatchCancelled) {
  TimeoutHandle second;
  const auto alive = std::make_shared<int>();
  loop_.add_timeout(loop_.time(), [&] {
    log_ += 's';
    loop_.remove_timeout(second);
    EXPECT_EQ(alive.use_count(), 1) << "a cancelled callable is destroyed at once";
  });
  second = loop_.add_timeout(loop_.time(), [this, alive] { log_ += 'x'; });
  loop_.add_timeout(loop_.time(), write('t'));
  run_one_iteration();
  EXPECT_EQ(log_, "st");
}

TEST_P(IOLoopIteration, DoesNotRunADueTimerThatACallbackCancelled) {
  const TimeoutHandle timer = loop_.add_timeout(loop_.time() - 1s, write('x'));
  loop_.add_callback([&] { loop_.remove_timeout(timer); });
  run_one_iteration();
  EXPECT_EQ(log_, "");
}

TEST_P(IOLoopIteration, RunsTimersByDeadlineAndEqualOnesInTheOrderTheyWereAdded) {
  const TimePoint base = loop_.time() - 1s;
  const std::vector<std::pair<int, char>> timers = {
      {3, 'g'}, {1, 'a'}, {2, 'd'}, {1, 'b'}, {3, 'h'}, {2, 'e'}, {1, 'c'}, {3, 'i'}, {2, 'f'}};
  for (const auto& [ms, letter] : timers) {
    loop_.call_at(base + std::chrono::milliseconds(ms), write(letter));
  }
  run_one_iteration();
  EXPECT_EQ(log_, "abcdefghi");
}

TEST_P(IOLoopIteration, Rel_K1_LetsACallbackThatPostsItselfStarveNeitherTimersNorHandlers) {
  int rounds = 0;
  bool timer_ran = false;
  int handled = 0;
  const OwnedFd event = make_event(/*readable=*/true);
  loop_.add_handler(
      event.get(), [&] { ++handled; }, Events::kRead);
  loop_.add_timeout(1ms, [&] { timer_ran = true; });
  std::function<void()> again = [&] {
    if (++rounds > 3 && timer_ran && handled >= rounds - 1) return loop_.stop();
    loop_.add_callback(std::ref(again));
  };
  loop_.add_callback(std::ref(again));
  loop_.start();
  EXPECT_EQ(handled, rounds - 1) << "each iteration polls once";
}

TEST_P(IOLoopIteration, Rel_J10_LetsATimerThatReArmsItselfInThePastStarveNobody) {
  int fired = 0;
  int handled = 0;
  int posted = 0;
  const OwnedFd event = make_event(/*readable=*/true);
  loop_.add_handler(
      event.get(),
      [&] {
        if (++handled == 100) loop_.stop();
      },
      Events::kRead);
  std::function<void()> again = [&] {
    ++fired;
    loop_.add_timeout(loop_.time() - 1h, std::ref(again));
    loop_.add_callback([&] { ++posted; });
  };
  loop_.add_timeout(loop_.time() - 1h, std::ref(again));
  loop_.start();
  EXPECT_EQ(fired, 101) << "once in each iteration, and once more after the stop";
  EXPECT_EQ(posted, 100);
}

TEST_P(IOLoopIteration, LetsAnAlwaysReadableDescriptorStarveNobody) {
  const OwnedFd event = make_event(/*readable=*/true);
  const OwnedFd other = make_event(/*readable=*/true);
  int busy = 0;
  int quiet = 0;
  bool timer_ran = false;
  loop_.add_handler(
      event.get(),
      [&] {
        ++busy;
        loop_.add_callback(write('a'));
        if (timer_ran && busy >= 10) loop_.stop();
      },
      Events::kRead);
  loop_.add_handler(
      other.get(), [&] { ++quiet; }, Events::kRead);
  loop_.add_timeout(1ms, [&] { timer_ran = true; });
  loop_.start();
  EXPECT_EQ(quiet, busy);
  EXPECT_EQ(log_.size(), static_cast<std::size_t>(busy)) << "each turn's post ran in the next one";
}

TEST_P(IOLoopIteration, LetsAnAlwaysReadableSocketStarveNobody) {
  zmq::context_t context;
  SocketPair pair(context, zmq::socket_type::pair, zmq::socket_type::pair);
  send(pair.far, "never read");
  int busy = 0;
  bool timer_ran = false;
  make_ready('h');
  loop_.add_handler(
      pair.near,
      [&] {
        ++busy;
        loop_.add_callback([&] {
          if (timer_ran && log_ == "h") loop_.stop();
        });
      },
      Events::kRead);
  loop_.add_timeout(1ms, [&] { timer_ran = true; });
  loop_.start();
  EXPECT_GT(busy, 0);
}

TEST_P(IOLoopIteration, Rel_G10_CallsTheHandlerOfABusySocketAtMostItsBudgetOftenInATurn) {
  zmq::context_t context;
  IOLoop::Options with_budget = options("budgeted");
  with_budget.socket_budget = 5;
  IOLoop loop(with_budget);
  SocketPair pair(context, zmq::socket_type::pair, zmq::socket_type::pair);
  for (int i = 0; i < 12; ++i) send(pair.far, "message");
  loop.add_handler(
      pair.near,
      [&] {
        log_ += 'm';
        EXPECT_TRUE(receive(pair.near));
      },
      Events::kRead);
  // One mark for each iteration.
  std::function<void()> mark = [&] {
    log_ += '|';
    if (log_.size() > 15) return loop.stop();
    loop.add_callback(std::ref(mark));
  };
  loop.add_callback(std::ref(mark));
  loop.start();
  EXPECT_EQ(log_.substr(0, 15), "|mmmmm|mmmmm|mm");
}

TEST_P(IOLoopIteration, TellsASleepingLoopOfAPostFromAnotherThread) {
  for (int round = 0; round < 200; ++round) {
    std::thread poster([this] {
      loop_.add_callback([this] {
        log_ += 'a';
        loop_.stop();
      });
    });
    loop_.start();
    poster.join();
  }
  EXPECT_EQ(log_.size(), 200u);
}

TEST_P(IOLoopIteration, WakesForATimerThatIsEarlierThanAllOthers) {
  loop_.add_timeout(1h, write('x'));
  loop_.add_callback([this] {
    loop_.add_timeout(1ms, [this] {
      log_ += 't';
      loop_.stop();
    });
  });
  loop_.start();
  EXPECT_EQ(log_, "t");
}

}  // namespace
}  // namespace zmqloop::testing
