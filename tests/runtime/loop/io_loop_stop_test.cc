// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Stopping: the callbacks that still run after a stop from each place, and starting again.

#include <atomic>
#include <signal.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/loop_fixture.h"
#include "tests/support/zmq_fixture.h"
#include <gtest/gtest.h>

namespace zmqloop::testing {
namespace {

class IOLoopStop : public OnBothPollers {
 protected:
  auto write(char letter) {
    return [this, letter] { log_ += letter; };
  }
  auto write_and_stop(char letter) {
    return [this, letter] {
      log_ += letter;
      loop_.stop();
    };
  }
  // Runs the callbacks left after a stop, and stops in the iteration after that.
  std::string run_the_rest() {
    log_.clear();
    loop_.add_callback([this] { loop_.add_callback([this] { loop_.stop(); }); });
    loop_.start();
    return log_;
  }

  std::string log_;
  OwnedFd event_ = make_event(/*readable=*/true);
};
ZMQLOOP_ON_BOTH_POLLERS(IOLoopStop);

TEST_P(IOLoopStop, BeforeStartLetsThatStartReturnHavingRunNothing) {
  loop_.add_handler(event_.get(), write('h'), Events::kRead);
  loop_.add_timeout(loop_.time(), write('t'));
  loop_.add_callback(write('a'));
  loop_.stop();
  loop_.start();
  EXPECT_EQ(log_, "");
  EXPECT_EQ(loop_.stats().iterations, 0u);
  EXPECT_EQ(loop_.stats().pending, 1u);
  EXPECT_FALSE(loop_.is_running());
  EXPECT_EQ(run_the_rest(), "ath") << "the stop counts once";
}

TEST_P(IOLoopStop, DuringACallbackLetsTheBatchAndTheDueTimersRunAndDoesNotPoll) {
  loop_.add_handler(event_.get(), write('h'), Events::kRead);
  loop_.add_timeout(loop_.time(), write('t'));
  loop_.add_callback(write_and_stop('a'));
  loop_.add_callback([this] {
    log_ += 'b';
    loop_.add_callback(write('c'));
  });
  loop_.start();
  EXPECT_EQ(log_, "abt");
  EXPECT_EQ(loop_.stats().pending, 1u);
  EXPECT_EQ(run_the_rest(), "ch");
}

TEST_P(IOLoopStop, DuringATimerLetsTheBatchRunAndDoesNotPoll) {
  loop_.add_handler(event_.get(), write('h'), Events::kRead);
  loop_.add_timeout(loop_.time() - 2ms, write_and_stop('s'));
  loop_.add_timeout(loop_.time() - 1ms, [this] {
    log_ += 't';
    loop_.add_callback(write('a'));
    loop_.add_timeout(loop_.time() - 1h, write('u'));
  });
  loop_.start();
  EXPECT_EQ(log_, "st");
  EXPECT_EQ(run_the_rest(), "auh");
}

TEST_P(IOLoopStop, DuringAHandlerLetsTheOtherHandlersAndOneMorePassRun) {
  std::vector<OwnedFd> events;
  for (int i = 0; i < 4; ++i) events.push_back(make_event(/*readable=*/true));
  for (const OwnedFd& event : events) {
    loop_.add_handler(
        event.get(),
        [this] {
          if (log_.empty()) {
            loop_.stop();
            loop_.add_callback([this] {
              log_ += 'a';
              loop_.add_callback(write('b'));
              loop_.add_timeout(loop_.time(), write('u'));
            });
            loop_.add_timeout(loop_.time() - 1h, write('t'));
          }
          log_ += 'h';
        },
        Events::kRead);
  }
  loop_.start();
  EXPECT_EQ(log_, "hhhhatu") << "a callback's due timer runs in the same pass";
  for (const OwnedFd& event : events) loop_.remove_handler(event.get());
  EXPECT_EQ(run_the_rest(), "b");
}

TEST_P(IOLoopStop, Rel_B5_TwiceCountsOnce) {
  loop_.stop();
  loop_.stop();
  loop_.start();
  loop_.add_callback([this] {
    log_ += 'a';
    loop_.stop();
    loop_.stop();
  });
  loop_.start();
  EXPECT_EQ(run_the_rest(), "");
  EXPECT_EQ(loop_.stats().pending, 0u) << "the second start ran";
}

TEST_P(IOLoopStop, OfAnotherThreadEndsExactlyOneRun) {
  constexpr int kStops = 3'000;
  std::atomic<int> runs{0};
  std::atomic<bool> end{false};
  std::thread runner([&] {
    while (!end) {
      loop_.start();
      ++runs;
    }
  });
  for (int stops = 1; stops <= kStops; ++stops) {
    loop_.stop();
    while (runs < stops) std::this_thread::yield();
  }
  end = true;
  loop_.stop();
  runner.join();
  EXPECT_EQ(runs, kStops + 1);
}

TEST_P(IOLoopStop, WakesASleepingLoopFromAnotherThread) {
  for (int round = 0; round < 200; ++round) {
    std::thread stopper([this] { loop_.stop(); });
    loop_.start();
    stopper.join();
  }
  EXPECT_FALSE(loop_.is_running());
}

TEST_P(IOLoopStop, ByAnotherThreadDuringACallbackDoesNotPollEither) {
  loop_.add_handler(event_.get(), write('h'), Events::kRead);
  loop_.add_callback([this] {
    std::thread([this] { loop_.stop(); }).join();
    log_ += 'a';
    loop_.add_callback(write('c'));
  });
  loop_.add_callback(write('b'));
  loop_.start();
  EXPECT_EQ(log_, "ab");
  EXPECT_EQ(run_the_rest(), "ch");
}

TEST_P(IOLoopStop, ByAnotherThreadDuringATimerDoesNotPollEither) {
  loop_.add_handler(event_.get(), write('h'), Events::kRead);
  loop_.add_timeout(loop_.time(), [this] {
    std::thread([this] { loop_.stop(); }).join();
    log_ += 't';
    loop_.add_callback(write('c'));
  });
  loop_.start();
  EXPECT_EQ(log_, "t");
  EXPECT_EQ(run_the_rest(), "ch");
}

IOLoop* to_stop = nullptr;

class IOLoopStopBySignal : public IOLoopStop {
 protected:
  IOLoopStopBySignal() {
    to_stop = &loop_;
    struct sigaction action = {};
    action.sa_handler = [](int) { to_stop->stop(); };
    sigaction(SIGUSR1, &action, &before_);
  }
  ~IOLoopStopBySignal() override { sigaction(SIGUSR1, &before_, nullptr); }

  struct sigaction before_ = {};
};
ZMQLOOP_ON_BOTH_POLLERS(IOLoopStopBySignal);

TEST_P(IOLoopStopBySignal, DuringACallbackDoesNotPoll) {
  loop_.add_handler(event_.get(), write('h'), Events::kRead);
  loop_.add_callback([this] {
    raise(SIGUSR1);
    log_ += 'a';
    loop_.add_callback(write('b'));
  });
  loop_.start();
  EXPECT_EQ(log_, "a");
  EXPECT_EQ(run_the_rest(), "bh");
}

TEST_P(IOLoopStopBySignal, BeforeStartIsLatched) {
  raise(SIGUSR1);
  loop_.add_callback(write('a'));
  loop_.start();
  EXPECT_EQ(log_, "");
  EXPECT_EQ(run_the_rest(), "a");
}

TEST_P(IOLoopStopBySignal, EndsTheSleepOfTheThreadItInterrupts) {
  const pthread_t loop_thread = pthread_self();
  for (int round = 0; round < 200; ++round) {
    std::thread interrupter([&] { pthread_kill(loop_thread, SIGUSR1); });
    loop_.start();
    interrupter.join();
  }
}

TEST_P(IOLoopStopBySignal, WakesTheLoopFromTheHandlerOfAnotherThread) {
  for (int round = 0; round < 200; ++round) {
    std::thread interrupted([] { raise(SIGUSR1); });
    loop_.start();
    interrupted.join();
  }
}

// ---- starting again ----

// Failures: N9
TEST_P(IOLoopStop, LetsTheLoopStartAgainManyTimesWithEverythingKept) {
  int handled = 0;
  int fired = 0;
  loop_.add_handler(
      event_.get(), [&] { ++handled; }, Events::kRead);
  const TimeoutHandle kept = loop_.add_timeout(1h, [&] { ++fired; });
  for (int round = 0; round < 1'000; ++round) run_one_iteration();
  EXPECT_EQ(handled, 1'000);
  EXPECT_EQ(fired, 0);
  loop_.remove_timeout(kept);
  EXPECT_EQ(loop_.close(), (CloseReport{.handlers_removed = 1}));
}

TEST_P(IOLoopStop, KeepsPostsMadeBetweenTwoStarts) {
  loop_.add_callback([this] { loop_.stop(); });
  loop_.start();
  EXPECT_TRUE(loop_.add_callback(write('a')));
  EXPECT_TRUE(loop_.add_callback(write('b')));
  EXPECT_EQ(run_the_rest(), "ab");
}

TEST_P(IOLoopStop, IsNotLeftOverWhenTheRunThatItEndedIsOver) {
  for (int round = 0; round < 500; ++round) {
    std::thread stopper([this] {
      loop_.stop();
      loop_.stop();
    });
    loop_.start();
    stopper.join();
    loop_.add_callback(write_and_stop('a'));
    // The second stop may have come after the run ended: then it is latched for the next start.
    while (log_.size() == static_cast<std::size_t>(round)) loop_.start();
  }
  EXPECT_EQ(log_.size(), 500u);
}

class IOLoopEscape : public IOLoopStop {
 protected:
  IOLoopEscape() { loop_.escape = true; }
  void start_and_expect_the_escape() {
    EXPECT_EQ(error_of<std::runtime_error>([this] { loop_.start(); }), "escapes");
    EXPECT_FALSE(loop_.is_running());
    EXPECT_FALSE(loop_.in_loop_thread());
    EXPECT_EQ(IOLoop::current_or_null(), nullptr);
  }
  static void fail() { throw std::runtime_error("escapes"); }
};
ZMQLOOP_ON_BOTH_POLLERS(IOLoopEscape);

TEST_P(IOLoopEscape, Rel_D2_FromACallbackLeavesTheRestOfTheBatchForTheNextStart) {
  loop_.add_callback(write('a'));
  loop_.add_callback(&fail);
  loop_.add_callback(write('b'));
  loop_.add_callback(write('c'));
  start_and_expect_the_escape();
  EXPECT_EQ(log_, "a");
  EXPECT_EQ(loop_.stats().pending, 2u);
  EXPECT_EQ(run_the_rest(), "bc");
}

TEST_P(IOLoopEscape, FromATimerLeavesTheRestOfTheDueTimersForTheNextStart) {
  const TimePoint now = loop_.time();
  loop_.add_timeout(now - 4ms, write('s'));
  loop_.add_timeout(now - 3ms, &fail);
  loop_.add_timeout(now - 2ms, write('t'));
  const TimeoutHandle cancelled = loop_.add_timeout(now - 1ms, write('x'));
  loop_.add_timeout(now, write('u'));
  start_and_expect_the_escape();
  EXPECT_EQ(log_, "s");
  loop_.remove_timeout(cancelled);
  EXPECT_EQ(run_the_rest(), "tu");
}

TEST_P(IOLoopEscape, FromAHandlerLeavesTheOthersReady) {
  const OwnedFd other = make_event(/*readable=*/true);
  int handled = 0;
  for (const int fd : {event_.get(), other.get()}) {
    loop_.add_handler(
        fd,
        [&](Pollable self, Events) {
          loop_.remove_handler(self);
          ++handled;
          fail();
        },
        Events::kRead);
  }
  start_and_expect_the_escape();
  EXPECT_EQ(handled, 1);
  start_and_expect_the_escape();
  EXPECT_EQ(handled, 2);
}

// The exception, not the stop, ended the run. So the stop is kept for the next start.
TEST_P(IOLoopEscape, LeavesAStopThatCameInTheSameRunForTheNext) {
  loop_.add_callback([this] {
    loop_.stop();
    fail();
  });
  loop_.add_callback(write('a'));
  start_and_expect_the_escape();
  loop_.start();
  EXPECT_EQ(log_, "") << "it returns at once, having run nothing";
  EXPECT_EQ(run_the_rest(), "a") << "one stop ends one run";
}

// The same callback, timer or handler stops the loop and ends the run by an exception. The stop
// then ends the next run, no matter which thread called stop().
class IOLoopStopAndEscape : public IOLoopStopBySignal {
 protected:
  enum class From { kHere, kOtherThread, kSignalHandler };
  static constexpr From kAll[] = {From::kHere, From::kOtherThread, From::kSignalHandler};

  auto stop_and_fail(From from) {
    return [this, from] {
      switch (from) {
        case From::kHere:
          loop_.stop();
          break;
        case From::kOtherThread:
          std::thread([this] { loop_.stop(); }).join();
          break;
        case From::kSignalHandler:
          raise(SIGUSR1);
          break;
      }
      throw std::runtime_error("escapes");
    };
  }
  template <class F>
  void expect_escape(F&& run) {
    loop_.escape = true;
    EXPECT_EQ(error_of<std::runtime_error>(run), "escapes");
    loop_.escape = false;
  }
  // The next run would also end by itself, but only after its callback has run.
  void expect_that_one_run_is_stopped() {
    log_.clear();
    loop_.add_callback(write_and_stop('a'));
    loop_.start();
    ASSERT_EQ(log_, "") << "the stop was lost";
    loop_.start();
    EXPECT_EQ(log_, "a") << "one stop ends one run";
  }
};
ZMQLOOP_ON_BOTH_POLLERS(IOLoopStopAndEscape);

// Failures: D11
TEST_P(IOLoopStopAndEscape, InACallbackLeaveTheStopForTheNextRun) {
  for (const From from : kAll) {
    loop_.add_callback(stop_and_fail(from));
    expect_escape([this] { loop_.start(); });
    expect_that_one_run_is_stopped();
  }
}

TEST_P(IOLoopStopAndEscape, InATimerLeaveTheStopForTheNextRun) {
  for (const From from : kAll) {
    loop_.add_timeout(0s, stop_and_fail(from));
    expect_escape([this] { loop_.start(); });
    expect_that_one_run_is_stopped();
  }
}

TEST_P(IOLoopStopAndEscape, InAHandlerLeaveTheStopForTheNextRun) {
  for (const From from : kAll) {
    loop_.add_handler(event_.get(), stop_and_fail(from), Events::kRead);
    expect_escape([this] { loop_.start(); });
    loop_.remove_handler(event_.get());
    expect_that_one_run_is_stopped();
  }
}

TEST_P(IOLoopStopAndEscape, InTheExceptionHookLeaveTheStopForTheNextRun) {
  loop_.add_callback([] { throw std::runtime_error("escapes"); });
  loop_.on_error = [this] { loop_.stop(); };
  expect_escape([this] { loop_.start(); });
  loop_.on_error = nullptr;
  expect_that_one_run_is_stopped();
}

TEST_P(IOLoopStopAndEscape, DuringRunSyncLeaveTheStopForTheNextRun) {
  for (const From from : kAll) {
    loop_.add_callback(stop_and_fail(from));
    expect_escape([this] { loop_.run_sync([] { ADD_FAILURE() << "came after the escape"; }); });
    expect_that_one_run_is_stopped();
  }
}

TEST_P(IOLoopStopAndEscape, DuringRunSyncThatWaitsLeaveTheStopForTheNextRun) {
  for (const From from : kAll) {
    const Promise<int> never;
    expect_escape([&] {
      loop_.run_sync([&] {
        loop_.add_callback(stop_and_fail(from));
        return never.get_future();
      });
    });
    expect_that_one_run_is_stopped();
  }
}

TEST_P(IOLoopStopAndEscape, LeaveTheStopForARunSyncThatNeverCallsItsFunctionThen) {
  loop_.add_callback(stop_and_fail(From::kHere));
  expect_escape([this] { loop_.start(); });
  EXPECT_THROW(loop_.run_sync([] { ADD_FAILURE() << "called"; }), StoppedError);
  EXPECT_EQ(loop_.run_sync([] { return 7; }), 7) << "one stop ends one run";
}

// Each exception ends a run, and so leaves the stop to a later one.
TEST_P(IOLoopStopAndEscape, LeaveTheStopForTheFirstRunThatNoExceptionEnds) {
  for (int i = 0; i < 3; ++i) {
    loop_.add_callback([] { throw std::runtime_error("escapes"); });
  }
  loop_.add_callback(stop_and_fail(From::kHere));
  for (int i = 0; i < 4; ++i) expect_escape([this] { loop_.start(); });
  expect_that_one_run_is_stopped();
}

TEST_P(IOLoopEscape, OfManyCallbacksCanBeHadOneByOne) {
  for (int i = 0; i < 100; ++i) {
    loop_.add_callback(&fail);
    loop_.add_callback(write('a'));
  }
  for (int i = 0; i < 100; ++i) start_and_expect_the_escape();
  loop_.escape = false;
  run_one_iteration();
  EXPECT_EQ(log_.size(), 100u);
  EXPECT_EQ(loop_.stats().callback_exceptions, 100u);
}

}  // namespace
}  // namespace zmqloop::testing
