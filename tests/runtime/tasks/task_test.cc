// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Task<T>: coroutines on loops. A task that awaits sleep_for is suspended until a timer of its loop
// is due; no thread sleeps.

#include "zmqloop/runtime/tasks/task.h"

#include <array>
#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/loop_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_pool.h"
#include "zmqloop/runtime/pool/loop_thread.h"
#include "zmqloop/threading/mailbox/primitives.h"

namespace zmqloop::testing {
namespace {

using ::testing::HasSubstr;

class Tasks : public OnBothPollers {
 protected:
  // Runs the loop until `done` is ready.
  template <class T>
  void run_until(const Future<T>& done) {
    loop_.run_sync([&] { return done; });
  }
};
ZMQLOOP_ON_BOTH_POLLERS(Tasks);

Task<int> value(int v) { co_return v; }
Task<void> nothing() { co_return; }
Task<int> failing(std::string what) {
  throw std::runtime_error(what);
  co_return 0;
}
Task<int> sum_of(int a, int b) { co_return co_await value(a) + co_await value(b); }

TEST_P(Tasks, DoNothingUntilTheyAreAwaited) {
  bool ran = false;
  const auto note = [&]() -> Task<void> {
    ran = true;
    co_return;
  };
  { const Task<void> dropped = note(); }
  Task<void> task = note();
  EXPECT_FALSE(ran);
  const Future<void> done = spawn(loop_, std::move(task));
  EXPECT_FALSE(ran) << "never from within spawn";
  run_until(done);
  EXPECT_TRUE(ran);
}

TEST_P(Tasks, ReturnTheirValue) {
  EXPECT_EQ(loop_.run_sync([] { return sum_of(40, 2); }), 42);
  loop_.run_sync([] { return nothing(); });
  const auto owned = loop_.run_sync([]() -> Task<std::unique_ptr<int>> {
    auto made = [](int v) -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(v); };
    co_return co_await made(7);
  });
  EXPECT_EQ(*owned, 7);
}

TEST_P(Tasks, Rel_D8_ThrowTheirExceptionsToWhoeverAwaitsThem) {
  EXPECT_EQ(error_of<std::runtime_error>([&] { loop_.run_sync([] { return failing("inner"); }); }),
            "inner");
  const std::string caught = loop_.run_sync([]() -> Task<std::string> {
    std::string what;
    try {
      co_await failing("caught");
    } catch (const std::runtime_error& error) {
      what = error.what();
    }
    co_return what + co_await [](std::string more) -> Task<std::string> { co_return more; }("!");
  });
  EXPECT_EQ(caught, "caught!");
  EXPECT_TRUE(loop_.errors.empty());
}

TEST_P(Tasks, ExecuteOnTheLoopThread) {
  LoopThread elsewhere("elsewhere");
  const auto here = [&]() -> Task<bool> {
    const bool before = elsewhere.loop().in_loop_thread();
    co_await sleep_for(0ms);
    co_return before&& elsewhere.loop().in_loop_thread();
  };
  EXPECT_TRUE(spawn(elsewhere.loop(), here).get());
}

TEST_P(Tasks, AwaitFuturesWithoutBlockingTheLoop) {
  Promise<int> promise;
  bool loop_went_on = false;
  const int result = loop_.run_sync([&]() -> Task<int> {
    loop_.add_callback([&] {
      loop_went_on = true;
      promise.set_value(41);
    });
    const int got = co_await promise.get_future();
    EXPECT_TRUE(loop_.in_loop_thread());
    co_return got + 1;
  });
  EXPECT_EQ(result, 42);
  EXPECT_TRUE(loop_went_on);
}

TEST_P(Tasks, AwaitReadyFailedAndBrokenFutures) {
  const std::vector<std::string> outcomes = loop_.run_sync([&]() -> Task<std::vector<std::string>> {
    std::vector<std::string> seen;
    Promise<std::string> ready;
    ready.set_value("ready");
    seen.push_back(co_await ready.get_future());
    Promise<std::string> failed;
    failed.set_exception(std::make_exception_ptr(std::runtime_error("failed")));
    try {
      seen.push_back(co_await failed.get_future());
    } catch (const std::runtime_error& error) {
      seen.push_back(error.what());
    }
    Future<void> broken;
    {
      const Promise<void> dropped;
      broken = dropped.get_future();
    }
    try {
      co_await broken;
    } catch (const BrokenPromiseError&) {
      seen.push_back("broken");
    }
    co_return seen;
  });
  EXPECT_EQ(outcomes, (std::vector<std::string>{"ready", "failed", "broken"}));
}

TEST_P(Tasks, LeaveTheValueOfAFutureThatTheyKeepToItsOtherHolders) {
  Promise<std::string> promise;
  promise.set_value("shared");
  const Future<std::string> kept = promise.get_future();
  const std::string got = loop_.run_sync(
      [&]() -> Task<std::string> { co_return co_await kept + co_await promise.get_future(); });
  EXPECT_EQ(got, "sharedshared");
  const Future<std::string> other = loop_.submit([] { return std::string("again"); });
  EXPECT_EQ(loop_.run_sync([&] { return other; }), "again");
  EXPECT_EQ(other.get(), "again");
}

TEST_P(Tasks, ComeHomeFromFuturesThatOtherThreadsComplete) {
  LoopPool pool({.loops = 2, .name = "workers"});
  const int sum = loop_.run_sync([&]() -> Task<int> {
    int total = 0;
    for (int i = 0; i < 200; ++i) {
      total += co_await pool.submit([i] { return i; });
      if (!loop_.in_loop_thread()) total = -1'000'000;
    }
    co_return total;
  });
  EXPECT_EQ(sum, 199 * 200 / 2);
}

TEST_P(Tasks, AwaitAnEmptyTaskOrFutureAsAnError) {
  EXPECT_THROW(loop_.run_sync([]() -> Task<int> { co_return co_await Task<int>(); }),
               std::logic_error);
  EXPECT_THROW(loop_.run_sync([]() -> Task<int> { co_return co_await Future<int>(); }),
               std::logic_error);
  EXPECT_THROW((void)spawn(loop_, Task<int>()), std::logic_error);
}

// ---- sleeping ----

class SleepingTasks : public ::testing::TestWithParam<PollerKind> {
 protected:
  static IOLoop::Options options(FakeClock& clock) {
    return {.poller = GetParam(), .name = "fake time", .clock = clock.function()};
  }
  void run_one_iteration() {
    loop_.add_callback([this] { loop_.stop(); });
    loop_.start();
  }
  FakeClock clock_;
  IOLoop loop_{options(clock_)};
};
ZMQLOOP_ON_BOTH_POLLERS(SleepingTasks);

TEST_P(SleepingTasks, ContinueAtTheirTimeNeitherEarlierNorInOtherOrder) {
  std::vector<std::string> order;
  const auto sleeper = [&](std::string name, Duration first, Duration second) -> Task<void> {
    co_await sleep_for(first);
    order.push_back(name + "1");
    co_await sleep_until(clock_.now() + second);
    order.push_back(name + "2");
  };
  const Future<void> a = spawn(loop_, sleeper("a", 10ms, 30ms));
  const Future<void> b = spawn(loop_, sleeper("b", 20ms, 5ms));
  run_one_iteration();
  for (int ms = 0; ms < 40; ++ms) {
    clock_.advance(1ms - 1ns);
    run_one_iteration();
    const auto early = order.size();
    clock_.advance(1ns);
    run_one_iteration();
    EXPECT_LE(order.size(), early + 1);
  }
  EXPECT_EQ(order, (std::vector<std::string>{"a1", "b1", "b2", "a2"}));
  EXPECT_TRUE(a.is_ready());
  EXPECT_TRUE(b.is_ready());
}

TEST_P(SleepingTasks, OfNoTimeLetTheLoopGoOnFirst) {
  std::vector<std::string> order;
  const auto polite = [&]() -> Task<void> {
    order.push_back("task");
    co_await sleep_for(-1s);
    order.push_back("task again");
  };
  spawn(loop_, polite());
  loop_.add_callback([&] { order.push_back("callback"); });
  run_one_iteration();
  run_one_iteration();
  EXPECT_EQ(order, (std::vector<std::string>{"task", "callback", "task again"}));
}

// ---- moving between loops ----

TEST_P(Tasks, MoveToAnotherLoopAndAwaitThere) {
  LoopThread other("other");
  std::array<bool, 4> right_place{};
  loop_.run_sync([&]() -> Task<void> {
    right_place[0] = loop_.in_loop_thread();
    co_await other.loop().schedule();
    right_place[1] = other.loop().in_loop_thread();
    co_await sleep_for(1ms);
    right_place[2] = other.loop().in_loop_thread();
    co_await loop_.schedule();
    right_place[3] = loop_.in_loop_thread();
  });
  EXPECT_THAT(right_place, ::testing::Each(true));
}

TEST_P(Tasks, StayWhereTheyAreWhenTheyAreThereAlready) {
  const std::uint64_t before = loop_.stats().callbacks_run;
  loop_.run_sync([&]() -> Task<void> {
    for (int i = 0; i < 100; ++i) co_await loop_.schedule();
  });
  EXPECT_LT(loop_.stats().callbacks_run - before, 10u);
}

TEST_P(Tasks, AreBackHomeAfterATaskThatWentElsewhere) {
  LoopThread other("other");
  const auto goes_elsewhere = [&](bool suspends_first) -> Task<int> {
    if (suspends_first) co_await sleep_for(1ms);
    co_await other.loop().schedule();
    co_return other.loop().in_loop_thread() ? 1 : 0;
  };
  const auto throws_elsewhere = [&]() -> Task<int> {
    co_await other.loop().schedule();
    throw std::runtime_error("elsewhere");
  };
  const int home = loop_.run_sync([&]() -> Task<int> {
    int right = 0;
    for (int i = 0; i < 100; ++i) {
      right += co_await goes_elsewhere(i % 10 == 0);
      right += loop_.in_loop_thread() ? 1 : 0;
      bool thrown = false;
      try {
        co_await throws_elsewhere();
      } catch (const std::runtime_error&) {
        thrown = true;
      }
      right += thrown && loop_.in_loop_thread() ? 1 : 0;
    }
    co_return right;
  });
  EXPECT_EQ(home, 300);
}

TEST_P(Tasks, RunByTheThousandOnManyLoops) {
  LoopPool pool({.loops = 4, .name = "many"});
  std::atomic<int> right{0};
  const auto wanders = [&](std::size_t start) -> Task<std::size_t> {
    std::size_t hops = 0;
    for (std::size_t i = start; i < start + 8; ++i) {
      co_await pool.loop(i % 4).schedule();
      if (pool.loop(i % 4).in_loop_thread()) ++right;
      hops += co_await pool.loop((i + 1) % 4).submit([] { return std::size_t{1}; });
      if (pool.loop(i % 4).in_loop_thread()) ++right;
    }
    co_return hops;
  };
  std::vector<Future<std::size_t>> results;
  for (std::size_t i = 0; i < 1'000; ++i) results.push_back(spawn(pool.loop(i % 4), wanders(i)));
  for (const Future<std::size_t>& result : results) EXPECT_EQ(result.get(), 8u);
  EXPECT_EQ(right, 16'000);
}

// Compilers may cache a thread-local address across a co_await in a loop (primitives.h).
TEST_P(Tasks, FindTheVariablesOfTheThreadThatTheyHaveMovedTo) {
  struct Variable {
    int value = 0;
  };
  LoopPool pool({.loops = 2, .name = "moved to"});
  const auto variable_there = [] { return &per_thread<Variable>(); };
  const std::array variables = {pool.loop(0).submit(variable_there).get(),
                                pool.loop(1).submit(variable_there).get()};
  const auto moves = [&]() -> Task<int> {
    int found = 0;
    for (std::size_t i = 0; i < 8; ++i) {
      co_await pool.loop(i % 2).schedule();
      if (&per_thread<Variable>() == variables[i % 2]) ++found;
    }
    co_return found;
  };
  EXPECT_EQ(loop_.run_sync(moves), 8);
}

// ---- depth ----

TEST_P(Tasks, Rel_H5_ThatNeverSuspendTakeNoStack) {
  const long sum = loop_.run_sync([]() -> Task<long> {
    long total = 0;
    for (int i = 0; i < 300'000; ++i) total += co_await value(1);
    co_return total;
  });
  EXPECT_EQ(sum, 300'000);
}

// Failures: L6
TEST_P(Tasks, ThatSuspendEachTimeTakeNoStack) {
  const auto suspends = []() -> Task<int> {
    co_await sleep_for(0ms);
    co_return 1;
  };
  const long sum = loop_.run_sync([&]() -> Task<long> {
    long total = 0;
    for (int i = 0; i < 50'000; ++i) total += co_await suspends();
    co_return total;
  });
  EXPECT_EQ(sum, 50'000);
}

Task<int> countdown(int n) {
  if (n == 0) {
    co_await sleep_for(0ms);
    co_return 0;
  }
  co_return 1 + co_await countdown(n - 1);
}

TEST_P(Tasks, MayBeNested) {
  EXPECT_EQ(loop_.run_sync([] { return countdown(500); }), 500);
}

// ---- ends ----

// Failures: L4
TEST_P(Tasks, AreDestroyedWithTheLoopThatTheyAreSuspendedOn) {
  std::vector<std::string> order;
  Future<void> result;
  {
    IOLoop closing(options("closing"));
    const auto inner = [&]() -> Task<void> {
      const AtDestruction guard([&] { order.push_back("inner"); });
      co_await sleep_for(Duration::max());
      order.push_back("never");
    };
    const auto outer = [&]() -> Task<void> {
      const AtDestruction guard([&] { order.push_back("outer"); });
      co_await inner();
      order.push_back("never");
    };
    result = spawn(closing, outer());
    result.on_ready([&] { order.push_back("ready"); });
    closing.add_callback([&] { closing.stop(); });
    closing.start();
    EXPECT_TRUE(order.empty());
  }
  EXPECT_EQ(order, (std::vector<std::string>{"inner", "outer", "ready"}));
  EXPECT_THAT(error_of<LoopClosedError>([&] { result.get(); }), HasSubstr("closing"));
}

TEST_P(Tasks, OnAClosedLoopNeverBegin) {
  bool ran = false;
  loop_.close();
  const Future<void> result = spawn(loop_, [&]() -> Task<void> {
    ran = true;
    co_return;
  });
  EXPECT_THROW(result.get(), LoopClosedError);
  EXPECT_FALSE(ran);
}

// Failures: L5
TEST_P(Tasks, ThatMoveToAClosedLoopEnd) {
  bool destroyed = false;
  bool went_on = false;
  IOLoop closed(options("closed"));
  closed.close();
  const auto moves = [&]() -> Task<void> {
    const AtDestruction guard([&] { destroyed = true; });
    co_await closed.schedule();
    went_on = true;
  };
  EXPECT_THROW(loop_.run_sync([&]() -> Task<void> { co_await moves(); }), LoopClosedError);
  EXPECT_TRUE(destroyed);
  EXPECT_FALSE(went_on);
}

// Failures: L5
TEST_P(Tasks, WhoseAwaiterLivesOnAClosedLoopEnd) {
  // The inner task is on another loop when the loop of its awaiter closes.
  LoopThread other("other");
  Promise<void> gate;
  bool destroyed = false;
  Future<void> result;
  {
    IOLoop closing(options("closing"));
    const auto inner = [&]() -> Task<void> {
      co_await other.loop().schedule();
      closing.stop();
      co_await gate.get_future();
    };
    const auto outer = [&]() -> Task<void> {
      const AtDestruction guard([&] { destroyed = true; });
      co_await inner();
    };
    result = spawn(closing, outer());
    closing.start();
  }
  EXPECT_FALSE(result.is_ready());
  gate.set_value();
  EXPECT_THROW(result.get(), LoopClosedError);
  other.stop();
  other.join();
  EXPECT_TRUE(destroyed);
}

TEST_P(Tasks, KeepTheFunctionThatMadeThemAlive) {
  auto captured = std::make_shared<int>(42);
  const std::weak_ptr<int> watch = captured;
  const Future<int> result = spawn(loop_, [captured = std::move(captured)]() -> Task<int> {
    co_await sleep_for(1ms);
    co_return *captured;
  });
  run_until(result);
  EXPECT_EQ(result.get(), 42);
  run_one_iteration();
  EXPECT_TRUE(watch.expired());
}

// ---- the asynchronous main ----

// Failures: L9
TEST_P(Tasks, GiveRunSyncItsFourOutcomes) {
  const auto forever = []() -> Task<int> {
    co_await sleep_for(Duration::max());
    co_return 0;
  };
  EXPECT_EQ(loop_.run_sync([] { return value(1); }), 1);
  EXPECT_THROW(loop_.run_sync([] { return failing("own"); }), std::runtime_error);
  EXPECT_THROW(loop_.run_sync(forever, 1ms), TimeoutError);
  loop_.add_callback([&] { loop_.stop(); });
  EXPECT_THROW(loop_.run_sync(forever), StoppedError);
  EXPECT_EQ(loop_.run_sync([] { return value(2); }), 2);
}

TEST_P(Tasks, ThatEndAfterTheirTimeoutDoNotDisturbALaterRun) {
  Promise<void> gate;
  bool ended = false;
  const auto late = [&]() -> Task<void> {
    co_await gate.get_future();
    ended = true;
  };
  EXPECT_THROW(loop_.run_sync(late, 1ms), TimeoutError);
  const int result = loop_.run_sync([&]() -> Task<int> {
    gate.set_value();
    for (int i = 0; i < 5; ++i) co_await sleep_for(0ms);
    co_return 42;
  });
  EXPECT_EQ(result, 42);
  EXPECT_TRUE(ended);
}

}  // namespace
}  // namespace zmqloop::testing
