// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// run_sync: its four outcomes, and that one call does not affect the next run.

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>

#include "tests/support/loop_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace zmqloop::testing {
namespace {

using ::testing::HasSubstr;

class IOLoopRunSync : public OnBothPollers {};
ZMQLOOP_ON_BOTH_POLLERS(IOLoopRunSync);

// ---- results ----

TEST_P(IOLoopRunSync, ReturnsTheValueOfTheFunction) {
  EXPECT_EQ(loop_.run_sync([] { return 42; }), 42);
  EXPECT_EQ(loop_.run_sync([] { return std::string("text"); }), "text");
  bool ran = false;
  loop_.run_sync([&] { ran = loop_.in_loop_thread(); });
  EXPECT_TRUE(ran);
  EXPECT_FALSE(loop_.is_running());
}

TEST_P(IOLoopRunSync, ReturnsValuesThatOnlyMove) {
  const std::unique_ptr<int> value = loop_.run_sync(
      [captured = std::make_unique<int>(7)]() mutable { return std::move(captured); });
  EXPECT_EQ(*value, 7);
}

TEST_P(IOLoopRunSync, ReturnsReferencesAsCopies) {
  int original = 1;
  static_assert(std::is_same_v<decltype(loop_.run_sync([&]() -> int& { return original; })), int>);
  EXPECT_EQ(loop_.run_sync([&]() -> int& { return original; }), 1);
}

TEST_P(IOLoopRunSync, ThrowsWhatTheFunctionThrowsUnchanged) {
  struct Own {
    int number;
  };
  try {
    loop_.run_sync([] { throw Own{7}; });
    ADD_FAILURE() << "threw nothing";
  } catch (const Own& own) {
    EXPECT_EQ(own.number, 7);
  }
  EXPECT_EQ(
      error_of<std::range_error>([&] { loop_.run_sync([] { throw std::range_error("out"); }); }),
      "out");
  EXPECT_TRUE(loop_.errors.empty()) << "not handle_callback_exception()'s";
}

TEST_P(IOLoopRunSync, RunsTheCallbacksThatWereQueuedBefore) {
  std::string log;
  loop_.add_callback([&] { log += 'a'; });
  loop_.run_sync([&] { log += 'f'; });
  EXPECT_EQ(log, "af");
}

// ---- futures ----

TEST_P(IOLoopRunSync, WaitsForTheFutureThatTheFunctionReturns) {
  Promise<int> promise;
  EXPECT_EQ(loop_.run_sync([&] {
    loop_.add_timeout(1ms, [&] { promise.set_value(5); });
    return promise.get_future();
  }),
            5);
}

TEST_P(IOLoopRunSync, TakesAFutureThatIsReadyAlready) {
  Promise<std::string> promise;
  promise.set_value("ready");
  EXPECT_EQ(loop_.run_sync([&] { return promise.get_future(); }), "ready");
  Promise<void> done;
  done.set_value();
  loop_.run_sync([&] { return done.get_future(); });
}

TEST_P(IOLoopRunSync, WaitsForAFutureThatAnotherThreadCompletes) {
  for (int round = 0; round < 100; ++round) {
    std::thread completer;
    EXPECT_EQ(loop_.run_sync([&] {
      Promise<int> promise;
      const Future<int> future = promise.get_future();
      completer = std::thread([round, p = std::move(promise)]() mutable { p.set_value(round); });
      return future;
    }),
              round);
    completer.join();
  }
}

TEST_P(IOLoopRunSync, ThrowsTheExceptionOfTheFutureOrThatItsPromiseWasBroken) {
  EXPECT_THROW(loop_.run_sync([] {
    Promise<int> promise;
    promise.set_exception(std::make_exception_ptr(std::range_error("later")));
    return promise.get_future();
  }),
               std::range_error);
  EXPECT_THROW(loop_.run_sync([] {
    const Promise<int> dropped;
    return dropped.get_future();
  }),
               BrokenPromiseError);
  EXPECT_THROW(loop_.run_sync([]() -> Future<int> { throw std::range_error("instead"); }),
               std::range_error);
}

TEST_P(IOLoopRunSync, RefusesAFutureThatRefersToNothing) {
  EXPECT_THROW(loop_.run_sync([] { return Future<int>(); }), std::logic_error);
  run_one_iteration();
}

// ---- timeouts ----

TEST_P(IOLoopRunSync, ThrowsTimeoutErrorWhenTheTimeIsUp) {
  Promise<void> never;
  const TimePoint start = Clock::now();
  EXPECT_THROW(loop_.run_sync([&] { return never.get_future(); }, 20ms), TimeoutError);
  EXPECT_GE(Clock::now() - start, 20ms) << "never early";
  EXPECT_EQ(loop_.run_sync([] { return 1; }, std::chrono::duration<double>(1e300)), 1);
  EXPECT_EQ(loop_.run_sync([] { return 1; }, std::nullopt), 1);
  EXPECT_EQ(loop_.run_sync([] { return 1; }, std::optional<Duration>()), 1);
}

TEST_P(IOLoopRunSync, LeavesNoTimerBehind) {
  loop_.run_sync([] {}, 1h);
  EXPECT_THROW(loop_.run_sync([] { throw 1; }, 1h), int);
  EXPECT_EQ(loop_.close().timers_abandoned, 0u);
}

TEST_P(IOLoopRunSync, IsNotDisturbedByTheLateCompletionOfAnEarlierCall) {
  Promise<int> late;
  EXPECT_THROW(loop_.run_sync([&] { return late.get_future(); }, 1ms), TimeoutError);
  Promise<int> other;
  EXPECT_EQ(loop_.run_sync([&] {
    late.set_value(1);  // completes the earlier call in the middle of this one
    loop_.add_callback([&] { loop_.add_callback([&] { other.set_value(2); }); });
    return other.get_future();
  }),
            2);
  run_one_iteration();
}

TEST_P(IOLoopRunSync, LetsAFutureCompleteAfterItsLoopIsGone) {
  Promise<int> late;
  {
    IOLoop loop(options());
    EXPECT_THROW(loop.run_sync([&] { return late.get_future(); }, 1ms), TimeoutError);
  }
  late.set_value(1);
}

// ---- stops ----

TEST_P(IOLoopRunSync, ThrowsStoppedErrorWhenStoppedMeanwhile) {
  Promise<void> never;
  const std::string text = error_of<StoppedError>([&] {
    loop_.run_sync([&] {
      loop_.add_callback([&] { loop_.stop(); });
      return never.get_future();
    });
  });
  EXPECT_THAT(text, HasSubstr("'tested'"));
  EXPECT_EQ(loop_.run_sync([] { return 3; }), 3) << "the stop counts once";
}

TEST_P(IOLoopRunSync, ThrowsStoppedErrorWhenAnotherThreadStopsIt) {
  Promise<void> never;
  std::thread stopper;
  EXPECT_THROW(loop_.run_sync([&] {
    stopper = std::thread([&] { loop_.stop(); });
    return never.get_future();
  }),
               StoppedError);
  stopper.join();
}

TEST_P(IOLoopRunSync, ThrowsStoppedErrorForALatchedStopAndNeverCallsTheFunction) {
  bool ran = false;
  loop_.stop();
  EXPECT_THROW(loop_.run_sync([&] { ran = true; }), StoppedError);
  run_one_iteration();
  EXPECT_FALSE(ran) << "nor in a later run";
  EXPECT_EQ(loop_.stats().iterations, 2u);
}

TEST_P(IOLoopRunSync, ReturnsTheValueOfAFunctionThatStopsTheLoop) {
  EXPECT_EQ(loop_.run_sync([&] {
    loop_.stop();
    return 4;
  }),
            4);
  EXPECT_EQ(loop_.run_sync([] { return 5; }), 5) << "and the stop is not left over";
}

TEST_P(IOLoopRunSync, NeverCallsAFunctionWhoseTimeWasUpBefore) {
  bool ran = false;
  FakeClock clock;
  IOLoop::Options with_clock = options();
  with_clock.clock = clock.function();
  IOLoop loop(with_clock);
  // The call's timeout is due in the first iteration, after its callback.
  EXPECT_EQ(loop.run_sync([&] { return ran = true; }, 0s), true);
  ran = false;
  loop.add_callback([&] { loop.stop(); });
  loop.start();
  EXPECT_FALSE(ran);
}

// ---- nesting ----

TEST_P(IOLoopRunSync, Rel_C5_RefusesToNestAndNeverCallsTheFunction) {
  bool ran = false;
  std::string text;
  loop_.run_sync(
      [&] { text = error_of<std::logic_error>([&] { loop_.run_sync([&] { ran = true; }); }); });
  EXPECT_THAT(text, HasSubstr("IOLoop::run_sync"));
  loop_.add_callback([&] {
    EXPECT_THROW(loop_.run_sync([&] { ran = true; }), std::logic_error);
    loop_.stop();
  });
  loop_.start();
  run_one_iteration();
  EXPECT_FALSE(ran);
}

TEST_P(IOLoopRunSync, EndsWithWhatEscapesFromTheExceptionHook) {
  loop_.escape = true;
  bool ran = false;
  loop_.add_callback([] { throw std::range_error("escapes"); });
  EXPECT_THROW(loop_.run_sync([&] { ran = true; }, 1h), std::range_error);
  loop_.escape = false;
  run_one_iteration();
  EXPECT_FALSE(ran) << "the call is over";
  EXPECT_EQ(loop_.close().timers_abandoned, 0u);
}

TEST_P(IOLoopRunSync, MakesTheLoopCurrent) {
  EXPECT_EQ(loop_.run_sync([] { return IOLoop::current_or_null(); }), &loop_);
  EXPECT_EQ(IOLoop::current_or_null(), nullptr);
}

}  // namespace
}  // namespace zmqloop::testing
