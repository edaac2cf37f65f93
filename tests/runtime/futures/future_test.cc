// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Futures and promises by themselves, and futures returned by submit().

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "tests/support/loop_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_thread.h"

namespace zmqloop::testing {
namespace {

using ::testing::HasSubstr;

class FutureTest : public ::testing::Test {
  const LoopWatchdog watchdog_;
};

// ---- by themselves ----

TEST_F(FutureTest, GivesTheValueToEveryHolderOfACopyableType) {
  Promise<std::string> promise;
  const Future<std::string> first = promise.get_future();
  const Future<std::string> second = promise.get_future();
  const Future<std::string> copy = first;
  EXPECT_FALSE(first.is_ready());
  promise.set_value("value");
  EXPECT_TRUE(first.is_ready());
  EXPECT_EQ(first.get(), "value");
  EXPECT_EQ(first.get(), "value");
  EXPECT_EQ(second.get(), "value");
  EXPECT_EQ(copy.get(), "value");
}

TEST_F(FutureTest, GivesAMoveOnlyValueOnce) {
  Promise<std::unique_ptr<int>> promise;
  const Future<std::unique_ptr<int>> future = promise.get_future();
  promise.set_value(std::make_unique<int>(3));
  EXPECT_EQ(*future.get(), 3);
  EXPECT_THROW(future.get(), std::logic_error);
}

TEST_F(FutureTest, GivesNothingForVoid) {
  Promise<void> promise;
  const Future<void> future = promise.get_future();
  promise.set_value();
  future.get();
  future.get();
}

TEST_F(FutureTest, HoldsNoReferences) {
  // A reference result is copied: a reference could outlive its object unnoticed.
  int original = 1;
  LoopThread thread;
  auto future = thread.loop().submit([&]() -> int& { return original; });
  static_assert(std::is_same_v<decltype(future), Future<int>>);
  EXPECT_EQ(future.get(), 1);
}

TEST_F(FutureTest, RethrowsTheExceptionToEveryHolder) {
  Promise<int> promise;
  const Future<int> future = promise.get_future();
  promise.set_exception(std::make_exception_ptr(std::range_error("kept")));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(error_of<std::range_error>([&] { future.get(); }), "kept");
  }
  EXPECT_TRUE(future.wait());
}

TEST_F(FutureTest, TellsItsExceptionWithoutThrowingOrTakingTheValue) {
  Promise<std::unique_ptr<int>> value;
  Promise<int> error;
  EXPECT_THROW((void)value.get_future().exception(), std::logic_error);
  value.set_value(std::make_unique<int>(1));
  error.set_exception(std::make_exception_ptr(std::runtime_error("set")));
  EXPECT_EQ(value.get_future().exception(), nullptr);
  EXPECT_EQ(*value.get_future().get(), 1);
  EXPECT_EQ(
      error_of<std::runtime_error>([&] { std::rethrow_exception(error.get_future().exception()); }),
      "set");
}

TEST_F(FutureTest, Rel_D9_IsReadyWithBrokenPromiseErrorWhenItsPromiseIsDroppedOrReplaced) {
  Future<int> dropped;
  EXPECT_FALSE(dropped.valid());
  {
    const Promise<int> promise;
    dropped = promise.get_future();
    EXPECT_TRUE(dropped.valid());
  }
  EXPECT_THROW(dropped.get(), BrokenPromiseError);
  Promise<int> replaced;
  const Future<int> future = replaced.get_future();
  replaced = Promise<int>();
  EXPECT_THROW(future.get(), BrokenPromiseError);
  Promise<int> moved;
  const Future<int> of_moved = moved.get_future();
  Promise<int> target = std::move(moved);
  EXPECT_FALSE(of_moved.is_ready());
  EXPECT_FALSE(moved.is_pending());  // NOLINT: that is the question
  target.set_value(1);
  EXPECT_EQ(of_moved.get(), 1);
}

TEST_F(FutureTest, ThatRefersToNothingThrows) {
  const Future<int> nothing;
  EXPECT_THROW(nothing.get(), std::logic_error);
  EXPECT_THROW(nothing.wait(), std::logic_error);
  EXPECT_THROW(static_cast<void>(nothing.is_ready()), std::logic_error);
  EXPECT_THROW(nothing.on_ready([] {}), std::logic_error);
}

TEST_F(FutureTest, RefusesToBeSetTwice) {
  Promise<int> promise;
  promise.set_value(1);
  EXPECT_THROW(promise.set_value(2), std::logic_error);
  EXPECT_THROW(promise.set_exception(std::make_exception_ptr(1)), std::logic_error);
  EXPECT_FALSE(promise.try_set_value(3));
  EXPECT_FALSE(promise.try_set_exception(std::make_exception_ptr(1)));
  EXPECT_EQ(promise.get_future().get(), 1);
}

// Failures: L1
TEST_F(FutureTest, IsSetByOneOfManyThreads) {
  for (int round = 0; round < 100; ++round) {
    Promise<int> promise;
    const Future<int> future = promise.get_future();
    std::atomic<int> winners{0};
    std::atomic<int> winner{-1};
    std::vector<std::thread> setters;
    for (int i = 0; i < 4; ++i) {
      setters.emplace_back([&, i] {
        if (!promise.try_set_value(i)) return;
        ++winners;
        winner = i;
      });
    }
    const int value = future.get();
    for (std::thread& setter : setters) setter.join();
    EXPECT_EQ(winners, 1);
    EXPECT_EQ(value, winner);
  }
}

struct ThrowsWhenMade {
  explicit ThrowsWhenMade(bool throws) {
    if (throws) throw std::range_error("made");
  }
};

TEST_F(FutureTest, StaysUnsetWhenTheValueCannotBeMade) {
  Promise<ThrowsWhenMade> promise;
  EXPECT_THROW(promise.set_value(true), std::range_error);
  EXPECT_TRUE(promise.is_pending());
  promise.set_value(false);
  EXPECT_TRUE(promise.get_future().is_ready());
}

TEST_F(FutureTest, WaitsNoLongerThanTold) {
  const Promise<int> promise;
  const Future<int> future = promise.get_future();
  EXPECT_FALSE(future.wait(0s));
  EXPECT_FALSE(future.wait(-1h));
  const TimePoint start = Clock::now();
  EXPECT_FALSE(future.wait(20ms));
  EXPECT_THROW(future.get(20ms), TimeoutError);
  EXPECT_GE(Clock::now() - start, 40ms) << "never early";
}

TEST_F(FutureTest, WaitsForEverForTheLongestTimes) {
  for (const Duration limit : {Duration::max(), to_duration(std::chrono::hours(24 * 365 * 200))}) {
    Promise<int> promise;
    const Future<int> future = promise.get_future();
    std::thread setter([p = std::move(promise)]() mutable { p.set_value(1); });
    EXPECT_EQ(future.get(limit), 1);
    setter.join();
  }
}

TEST_F(FutureTest, WakesAllWhoWait) {
  Promise<int> promise;
  const Future<int> future = promise.get_future();
  std::atomic<int> sum{0};
  std::vector<std::thread> waiters;
  for (int i = 0; i < 8; ++i) waiters.emplace_back([&] { sum += future.get(); });
  promise.set_value(5);
  for (std::thread& waiter : waiters) waiter.join();
  EXPECT_EQ(sum, 40);
}

TEST_F(FutureTest, CallsContinuationsOnceInOrderOutsideItsLock) {
  Promise<int> promise;
  const Future<int> future = promise.get_future();
  std::string log;
  future.on_ready([&] {
    log += 'a';
    EXPECT_EQ(future.get(), 1);
    future.on_ready([&] { log += 'i'; });  // is ready, so calls it at once
  });
  future.on_ready([&] { log += 'b'; });
  EXPECT_EQ(log, "");
  promise.set_value(1);
  EXPECT_EQ(log, "aib");
  future.on_ready([&] { log += 'c'; });
  EXPECT_EQ(log, "aibc");
}

// ---- of submit() ----

class Submit : public OnBothPollers {
 protected:
  static LoopThread::Options thread_options() {
    LoopThread::Options of_thread;
    of_thread.loop = options("worker");
    return of_thread;
  }
};
ZMQLOOP_ON_BOTH_POLLERS(Submit);

TEST_P(Submit, ReturnsAFutureForWhatTheFunctionReturns) {
  LoopThread thread(thread_options());
  EXPECT_EQ(thread.loop().submit([] { return 6 * 7; }).get(), 42);
  std::thread::id ran_on;
  thread.loop().submit([&] { ran_on = std::this_thread::get_id(); }).get();
  EXPECT_NE(ran_on, std::this_thread::get_id());
  auto moved =
      thread.loop().submit([p = std::make_unique<int>(1)]() mutable { return std::move(p); });
  EXPECT_EQ(*moved.get(1min), 1);
}

TEST_P(Submit, PassesTheExceptionOnAndNotToTheHook) {
  const Future<void> future = loop_.submit([] { throw std::range_error("mine"); });
  run_one_iteration();
  EXPECT_EQ(error_of<std::range_error>([&] { future.get(); }), "mine");
  EXPECT_TRUE(loop_.errors.empty());
}

TEST_P(Submit, GivesLoopClosedErrorWhenTheLoopIsOrBecomesClosed) {
  const Future<int> pending = loop_.submit([] { return 1; });
  EXPECT_FALSE(pending.is_ready());
  loop_.close();
  EXPECT_TRUE(pending.is_ready());
  EXPECT_THAT(error_of<LoopClosedError>([&] { pending.get(); }), HasSubstr("'tested'"));
  const Future<int> late = loop_.submit([] { return 1; });
  EXPECT_TRUE(late.is_ready());
  EXPECT_THROW(late.get(), LoopClosedError);
}

TEST_P(Submit, WakesWhoWaitsForALoopThatCloses) {
  Future<int> future;
  {
    IOLoop loop(options());
    future = loop.submit([] { return 1; });
    std::thread waiter([&] { EXPECT_THROW(future.get(), LoopClosedError); });
    loop.close();
    waiter.join();
  }
  EXPECT_TRUE(future.is_ready()) << "outlives the loop";
}

TEST_P(Submit, IsNotBrokenByAnExceptionWhilePosting) {
  struct ThrowsWhenCopied {
    ThrowsWhenCopied() = default;
    ThrowsWhenCopied(const ThrowsWhenCopied&) { throw std::range_error("copy"); }
    int operator()() const { return 1; }
  };
  const ThrowsWhenCopied original;
  EXPECT_THROW(static_cast<void>(loop_.submit(original)), std::range_error);
  EXPECT_EQ(loop_.stats().pending, 0u);
}

// Failures: L7
TEST_P(Submit, Rel_C6_RefusesToBlockALoopsThreadButGivesWhatIsReady) {
  LoopThread thread(thread_options());
  Promise<int> promise;
  const Future<int> unready = promise.get_future();
  loop_.run_sync([&] {
    EXPECT_THROW(unready.get(), std::logic_error);
    EXPECT_THROW(unready.get(1s), std::logic_error);
    EXPECT_THROW(unready.wait(), std::logic_error);
    EXPECT_THROW(unready.wait(1s), std::logic_error);
    EXPECT_FALSE(unready.wait(0s)) << "asking does not block";
    const Future<int> own = loop_.submit([] { return 1; });
    EXPECT_THROW(own.get(), std::logic_error);
    promise.set_value(2);
    EXPECT_EQ(unready.get(), 2);
    EXPECT_TRUE(unready.wait());
  });
  EXPECT_EQ(thread.loop().submit([] { return 3; }).get(), 3) << "allowed again off the loop";
}

TEST_P(Submit, MayBeWaitedForByManyWhileTheLoopIsBusy) {
  LoopThread thread(thread_options());
  std::vector<std::thread> clients;
  std::atomic<int> wrong{0};
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&, i] {
      for (int j = 0; j < 500; ++j) {
        if (thread.loop().submit([i, j] { return i * 1'000 + j; }).get() != i * 1'000 + j) ++wrong;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace zmqloop::testing
