// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// add_future, then and run_in_executor: results that come back to a loop.

#include <atomic>
#include <memory>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/loop_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_pool.h"

namespace zmqloop::testing {
namespace {

using ::testing::HasSubstr;

class AddFuture : public OnBothPollers {};
ZMQLOOP_ON_BOTH_POLLERS(AddFuture);

// Failures: L2
TEST_P(AddFuture, CallsBackOnTheLoopThreadWithTheReadyFuture) {
  Promise<int> promise;
  int result = 0;
  loop_.add_future(promise.get_future(), [&](Future<int> ready) {
    EXPECT_TRUE(loop_.in_loop_thread());
    EXPECT_TRUE(ready.is_ready());
    result = ready.get();
    loop_.stop();
  });
  std::thread completer([&] { promise.set_value(42); });
  loop_.start();
  completer.join();
  EXPECT_EQ(result, 42);
}

// Failures: L2
TEST_P(AddFuture, IsAlwaysAsynchronousAlsoForAReadyFuture) {
  Promise<int> promise;
  promise.set_value(1);
  std::vector<std::string> order;
  loop_.add_callback([&] {
    loop_.add_future(promise.get_future(), [&](const auto&) { order.push_back("called back"); });
    order.push_back("added");
  });
  run_one_iteration();
  EXPECT_EQ(order, (std::vector<std::string>{"added", "called back"}));
}

TEST_P(AddFuture, PassesExceptionsOfTheFutureToTheCallback) {
  Promise<void> failing;
  Promise<void> dropped;
  std::vector<std::string> outcomes;
  const auto note = [&](const Future<void>& ready) {
    try {
      ready.get();
    } catch (const std::exception& error) {
      outcomes.push_back(error.what());
    }
  };
  loop_.add_future(failing.get_future(), note);
  loop_.add_future(dropped.get_future(), note);
  failing.set_exception(std::make_exception_ptr(std::runtime_error("failed")));
  { const Promise<void> end = std::move(dropped); }
  run_one_iteration();
  ASSERT_EQ(outcomes.size(), 2u);
  EXPECT_EQ(outcomes[0], "failed");
  EXPECT_THAT(outcomes[1], HasSubstr("promise"));
  EXPECT_TRUE(loop_.errors.empty());
}

TEST_P(AddFuture, GivesExceptionsOfTheCallbackToTheHook) {
  Promise<void> promise;
  promise.set_value();
  loop_.add_future(promise.get_future(), [](const auto&) { throw std::runtime_error("callback"); });
  run_one_iteration();
  ASSERT_EQ(loop_.errors.size(), 1u);
  EXPECT_EQ(loop_.what(0), "callback");
}

TEST_P(AddFuture, MovesAMoveOnlyValueThrough) {
  Promise<std::unique_ptr<int>> promise;
  int result = 0;
  loop_.add_future(promise.get_future(), [&, owned = std::make_unique<int>(1)](auto ready) {
    result = *std::move(ready).get() + *owned;
  });
  promise.set_value(std::make_unique<int>(41));
  run_one_iteration();
  EXPECT_EQ(result, 42);
}

TEST_P(AddFuture, CallsEachOfManyOnceInTheOrderTheyWereAdded) {
  Promise<int> promise;
  std::vector<int> order;
  for (int i = 0; i < 5; ++i) {
    loop_.add_future(promise.get_future(), [&order, i](const auto&) { order.push_back(i); });
  }
  promise.set_value(0);
  run_one_iteration();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST_P(AddFuture, DestroysTheCallbackWhenTheLoopIsClosedByThen) {
  bool destroyed = false;
  bool ran = false;
  Promise<int> promise;
  {
    IOLoop closing(options("closing"));
    closing.add_future(
        promise.get_future(),
        [&ran, guard = AtDestruction([&] { destroyed = true; })](const auto&) { ran = true; });
  }
  EXPECT_FALSE(destroyed);
  promise.set_value(1);
  EXPECT_TRUE(destroyed);
  EXPECT_FALSE(ran);
}

TEST_P(AddFuture, RefusesNullCallablesAndFuturesThatReferToNothing) {
  Promise<int> promise;
  EXPECT_THROW(loop_.add_future(promise.get_future(), std::function<void(Future<int>)>()),
               std::invalid_argument);
  EXPECT_THROW(loop_.add_future(Future<int>(), [](const auto&) {}), std::invalid_argument);
}

TEST_P(AddFuture, NeverBlocksThePromisesThreadOnALoopThatIsBusy) {
  // The loop has not even started: setting the value only posts.
  Promise<int> promise;
  bool called = false;
  loop_.add_future(promise.get_future(), [&](const auto&) { called = true; });
  std::thread([&] { promise.set_value(1); }).join();
  EXPECT_FALSE(called);
  run_one_iteration();
  EXPECT_TRUE(called);
}

// ---- then ----

class Then : public OnBothPollers {};
ZMQLOOP_ON_BOTH_POLLERS(Then);

TEST_P(Then, GivesAFutureForWhatTheFunctionReturns) {
  Promise<int> promise;
  Future<std::string> text = promise.get_future().then(
      loop_, [](const Future<int>& ready) { return std::to_string(ready.get()); });
  promise.set_value(42);
  EXPECT_FALSE(text.is_ready());
  run_one_iteration();
  EXPECT_EQ(text.get(), "42");
}

TEST_P(Then, ChainsAcrossLoops) {
  LoopThread other("other");
  const Future<int> sum = loop_.submit([] { return 1; })
                              .then(other.loop(),
                                    [&](const Future<int>& ready) {
                                      EXPECT_TRUE(other.loop().in_loop_thread());
                                      return ready.get() + 1;
                                    })
                              .then(loop_, [&](const Future<int>& ready) {
                                EXPECT_TRUE(loop_.in_loop_thread());
                                loop_.stop();
                                return ready.get() + 1;
                              });
  loop_.start();
  EXPECT_EQ(sum.get(), 3);
}

TEST_P(Then, PassesExceptionsOn) {
  Promise<int> promise;
  const Future<int> sum =
      promise.get_future().then(loop_, [](const Future<int>& ready) { return ready.get() + 1; });
  promise.set_exception(std::make_exception_ptr(std::runtime_error("first")));
  run_one_iteration();
  EXPECT_EQ(error_of<std::runtime_error>([&] { (void)sum.get(); }), "first");
  EXPECT_TRUE(loop_.errors.empty());
}

TEST_P(Then, GivesLoopClosedErrorWhenTheLoopIsClosedByThen) {
  Promise<int> promise;
  const Future<void> after = promise.get_future().then(loop_, [](const auto&) {});
  loop_.close();
  promise.set_value(1);
  EXPECT_THAT(error_of<LoopClosedError>([&] { after.get(); }), HasSubstr("tested"));
}

// ---- run_in_executor ----

class RunInExecutor : public OnBothPollers {
 protected:
  LoopPool pool_{{.loops = 2, .name = "workers"}};
};
ZMQLOOP_ON_BOTH_POLLERS(RunInExecutor);

TEST_P(RunInExecutor, RunsElsewhereAndBringsTheResultBackHere) {
  int result = 0;
  std::thread::id worker;
  loop_.add_callback([&] {
    Future<int> there = loop_.run_in_executor(pool_, [&] {
      worker = std::this_thread::get_id();
      return 42;
    });
    there.on_ready([&, there] {
      EXPECT_TRUE(loop_.in_loop_thread()) << "it becomes ready on this loop's thread";
      result = there.get();
      loop_.stop();
    });
  });
  loop_.start();
  EXPECT_EQ(result, 42);
  EXPECT_NE(worker, std::this_thread::get_id());
}

TEST_P(RunInExecutor, BringsExceptionsBack) {
  EXPECT_EQ(error_of<std::runtime_error>([&] {
              loop_.run_sync([&] {
                return loop_.run_in_executor(pool_,
                                             []() -> int { throw std::runtime_error("there"); });
              });
            }),
            "there");
}

TEST_P(RunInExecutor, BringsMoveOnlyResultsBack) {
  const std::unique_ptr<int> result = loop_.run_sync(
      [&] { return loop_.run_in_executor(pool_, [] { return std::make_unique<int>(7); }); });
  EXPECT_EQ(*result, 7);
}

TEST_P(RunInExecutor, KeepsTheLoopFreeWhileTheFunctionBlocks) {
  // The function in the executor ends only after a callback on this loop has run.
  std::binary_semaphore here(0);
  loop_.run_sync([&] {
    loop_.add_callback([&] { here.release(); });
    return loop_.run_in_executor(pool_, [&] { here.acquire(); });
  });
}

TEST_P(RunInExecutor, GivesLoopClosedErrorWhenThePoolIsClosed) {
  pool_.stop();
  pool_.join();
  EXPECT_THROW(loop_.run_sync([&] { return loop_.run_in_executor(pool_, [] { return 1; }); }),
               LoopClosedError);
}

TEST_P(RunInExecutor, GivesLoopClosedErrorWhenThisLoopIsClosedByThen) {
  std::binary_semaphore gate(0);
  Future<void> result;
  {
    IOLoop closing(options("closing"));
    result = closing.run_in_executor(pool_, [&] { gate.acquire(); });
  }
  gate.release();
  EXPECT_THAT(error_of<LoopClosedError>([&] { result.get(); }), HasSubstr("closing"));
}

}  // namespace
}  // namespace zmqloop::testing
