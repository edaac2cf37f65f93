// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// submit, then, LoopPool::submit and run_in_executor of callables that return tasks or futures. The
// future that you get is for the final result; the task runs on the loop it was submitted to.

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "tests/support/entry_points.h"
#include "tests/support/loop_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_pool.h"
#include "zmqloop/runtime/pool/loop_thread.h"

namespace zmqloop {

// A type that claims to be copyable, but whose copy does not compile.
struct HoldsMoveOnly {
  std::vector<std::unique_ptr<int>> numbers;
};
template <>
inline constexpr bool kCopiesResults<HoldsMoveOnly> = false;

// A container of its own type, as JSON values are.
struct Nested {
  using value_type = Nested;
  const Nested* begin() const { return this; }
  const Nested* end() const { return this; }
};
static_assert(is_copyable<Nested>() && !is_copyable<HoldsMoveOnly>());
static_assert(!is_copyable<std::vector<std::unique_ptr<int>>>());

}  // namespace zmqloop

namespace zmqloop::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Moved = std::unique_ptr<int>;

// ---- types: a future of a task or future is a future of its value ------------------------------

template <class T>
struct GivesTask {
  Task<T> operator()() const { return {}; }
  Task<T> operator()(const Future<int>&) const { return {}; }
};
template <class T>
struct GivesFuture {
  Future<T> operator()() const { return {}; }
  Future<T> operator()(const Future<int>&) const { return {}; }
};

template <class F>
using Submitted = decltype(std::declval<IOLoop&>().submit(std::declval<F>()));
template <class F>
using SubmittedToPool = decltype(std::declval<LoopPool&>().submit(std::declval<F>()));
template <class F>
using Continued =
    decltype(std::declval<Future<int>&>().then(std::declval<IOLoop&>(), std::declval<F>()));
template <class F>
using Executed = decltype(std::declval<IOLoop&>().run_in_executor(std::declval<LoopPool&>(),
                                                                  std::declval<F>()));

template <class T>
constexpr bool flattens() {
  return std::is_same_v<Submitted<GivesTask<T>>, Future<T>> &&
         std::is_same_v<Submitted<GivesFuture<T>>, Future<T>> &&
         std::is_same_v<SubmittedToPool<GivesTask<T>>, Future<T>> &&
         std::is_same_v<SubmittedToPool<GivesFuture<T>>, Future<T>> &&
         std::is_same_v<Continued<GivesTask<T>>, Future<T>> &&
         std::is_same_v<Continued<GivesFuture<T>>, Future<T>> &&
         std::is_same_v<Executed<GivesFuture<T>>, Future<T>>;
}
static_assert(flattens<int>());
static_assert(flattens<void>());
static_assert(flattens<Moved>());
static_assert(flattens<std::vector<Moved>>());
static_assert(std::is_same_v<Submitted<Task<int> (*)()>, Future<int>>);

// ---- values ------------------------------------------------------------------------------------

// A coroutine that suspends, and one that asks another thread.
class AwaitedResults : public OnBothPollers {
 protected:
  static LoopThread::Options thread_options() {
    LoopThread::Options of_thread;
    of_thread.loop = options("worker");
    return of_thread;
  }
  IOLoop& worker() { return thread_.loop(); }

  LoopThread thread_{thread_options()};
  LoopPool pool_{{.loops = 1, .name = "pool", .loop = options()}};
};
ZMQLOOP_ON_BOTH_POLLERS(AwaitedResults);

template <class T>
Task<T> later(T value) {
  co_await sleep_for(0s);
  co_return std::move(value);
}
template <class T>
Task<T> at_once(T value) {
  co_return std::move(value);
}
std::vector<Moved> three() {
  std::vector<Moved> made;
  for (int i = 1; i <= 3; ++i) made.push_back(std::make_unique<int>(i));
  return made;
}

TEST_P(AwaitedResults, AreTheValuesOfTasks) {
  EXPECT_EQ(worker().submit([] { return later(1); }).get(), 1);
  EXPECT_EQ(worker().submit([] { return at_once(2); }).get(), 2);
  EXPECT_EQ(pool_.submit([] { return later(3); }).get(), 3);
  EXPECT_EQ(*worker().submit([] { return later(std::make_unique<int>(4)); }).get(), 4);
  EXPECT_EQ(worker().submit([] { return later(three()); }).get().size(), 3u);
  bool ran = false;
  worker()
      .submit([&ran]() -> Task<void> {
        co_await sleep_for(0s);
        ran = true;
      })
      .get();
  EXPECT_TRUE(ran);
}

TEST_P(AwaitedResults, AreTheValuesOfFutures) {
  Promise<int> promise;
  const auto ask = [&promise] { return promise.get_future(); };
  const Future<int> first = worker().submit(ask);
  const Future<int> second = pool_.submit(ask);
  worker().submit([] {}).get();
  EXPECT_FALSE(first.is_ready());
  promise.set_value(5);
  EXPECT_EQ(first.get(), 5);
  EXPECT_EQ(second.get(), 5);
  EXPECT_EQ(worker().submit(ask).get(), 5) << "ready already";

  Promise<std::vector<Moved>> of_vector;
  const auto moved = worker().submit([&] { return of_vector.get_future(); });
  of_vector.set_value(three());
  EXPECT_EQ(*moved.get()[2], 3);

  Promise<void> of_nothing;
  const Future<void> nothing = worker().submit([&] { return of_nothing.get_future(); });
  of_nothing.set_value();
  nothing.get();
}

TEST_P(AwaitedResults, OfThenAreThoseOfTheTaskOrFutureThatItReturns) {
  Promise<int> promise;
  const Future<int> ready = promise.get_future();
  const Future<int> of_task = ready.then(
      worker(), [](const Future<int>& value) -> Task<int> { co_return value.get() + 1; });
  const Future<Moved> of_slow_task =
      ready.then(worker(), [](Future<int> value) -> Task<Moved> {
        co_await sleep_for(0s);
        co_return std::make_unique<int>(co_await value + 2);
      });
  const Future<int> of_future = ready.then(worker(), [this](Future<int> value) {
    return pool_.submit([value] { return value.get() + 3; });
  });
  const Future<void> of_nothing =
      ready.then(worker(), [](const Future<int>&) -> Task<void> { co_return; });
  promise.set_value(10);
  EXPECT_EQ(of_task.get(), 11);
  EXPECT_EQ(*of_slow_task.get(), 12);
  EXPECT_EQ(of_future.get(), 13);
  of_nothing.get();
}

TEST_P(AwaitedResults, OfRunInExecutorMayBeFuturesAndBecomeReadyOnTheAskersLoop) {
  Promise<int> promise;
  std::thread::id ran_on;
  const int result = loop_.run_sync([&] {
    Future<int> there = loop_.run_in_executor(pool_, [&] {
      ran_on = std::this_thread::get_id();
      return promise.get_future();
    });
    there.on_ready([this] { EXPECT_TRUE(loop_.in_loop_thread()); });
    loop_.add_callback([&] { promise.set_value(7); });
    return there;
  });
  EXPECT_EQ(result, 7);
  EXPECT_EQ(ran_on, pool_.submit([] { return std::this_thread::get_id(); }).get());
  EXPECT_EQ(*loop_.run_sync([&] {
    return loop_.run_in_executor(pool_, [] {
      Promise<Moved> ready;
      ready.set_value(std::make_unique<int>(8));
      return ready.get_future();
    });
  }),
            8);
}

TEST_P(AwaitedResults, LeaveTheValueOfAFutureToItsOtherHolders) {
  Promise<std::string> promise;
  const Future<std::string> other = promise.get_future();
  promise.set_value("shared");
  EXPECT_EQ(worker().submit([&] { return other; }).get(), "shared");
  EXPECT_EQ(other.get(), "shared");
}

// ---- where the task runs -----------------------------------------------------------------------

TEST_P(AwaitedResults, AreMadeOnTheLoopThatTheyWereSubmittedTo) {
  const auto threads = [this](IOLoop& there) {
    return [this, &there]() -> Task<bool> {
      const bool before = there.in_loop_thread();
      co_await sleep_for(0s);
      const bool after_a_sleep = there.in_loop_thread();
      co_await worker().submit([] {});
      const bool after_a_future = there.in_loop_thread();
      co_await worker().schedule();
      const bool elsewhere = worker().in_loop_thread();
      co_await there.schedule();
      co_return before&& after_a_sleep&& after_a_future&& elsewhere&& there.in_loop_thread();
    };
  };
  EXPECT_TRUE(worker().submit(threads(worker())).get());
  EXPECT_TRUE(pool_.submit(threads(pool_.loop(0))).get());
  Promise<int> promise;
  promise.set_value(1);
  const auto task = threads(pool_.loop(0));
  EXPECT_TRUE(
      promise.get_future().then(pool_.loop(0), [task](const Future<int>&) { return task(); }).get());
}

// ---- failures ----------------------------------------------------------------------------------

TEST_P(AwaitedResults, AreTheExceptionsOfTasksAndFutures) {
  const auto fails_at_once = []() -> Task<int> {
    throw std::range_error("at once");
    co_return 0;
  };
  const auto fails_later = []() -> Task<int> {
    co_await sleep_for(0s);
    throw std::range_error("later");
  };
  Promise<int> promise;
  promise.set_exception(std::make_exception_ptr(std::range_error("set")));
  const auto ask = [&] { return promise.get_future(); };
  const auto no_task = []() -> Task<int> { throw std::range_error("none"); };
  const auto text = [](const Future<int>& future) {
    return error_of<std::range_error>([&] { (void)future.get(); });
  };
  EXPECT_EQ(text(worker().submit(fails_at_once)), "at once");
  EXPECT_EQ(text(worker().submit(fails_later)), "later");
  EXPECT_EQ(text(worker().submit(ask)), "set");
  EXPECT_EQ(text(worker().submit(no_task)), "none");
  EXPECT_EQ(text(pool_.submit(fails_later)), "later");
  Promise<int> ready;
  ready.set_value(1);
  EXPECT_EQ(text(ready.get_future().then(worker(), [&](auto&&) { return fails_later(); })),
            "later");
  EXPECT_EQ(text(ready.get_future().then(worker(), [&](auto&&) { return ask(); })), "set");
  EXPECT_EQ(error_of<std::range_error>([&] {
              loop_.run_sync([&] { return loop_.run_in_executor(pool_, ask); });
            }),
            "set");
  EXPECT_TRUE(loop_.errors.empty());
  EXPECT_EQ(worker().stats().callback_exceptions, 0u);
  EXPECT_EQ(worker().stats().unseen_exceptions, 0u);
}

TEST_P(AwaitedResults, AreLogicErrorsForTasksAndFuturesThatReferToNothing) {
  EXPECT_THROW(worker().submit([] { return Task<int>(); }).get(), std::logic_error);
  EXPECT_THROW(worker().submit([] { return Future<int>(); }).get(), std::logic_error);
  EXPECT_THROW(pool_.submit([] { return Task<void>(); }).get(), std::logic_error);
  Promise<int> ready;
  ready.set_value(1);
  EXPECT_THROW(
      ready.get_future().then(worker(), [](auto&&) { return Future<int>(); }).get(),
      std::logic_error);
}

// ---- loops that close --------------------------------------------------------------------------

TEST_P(AwaitedResults, AreLoopClosedErrorsOfALoopThatIsClosedBefore) {
  const Future<int> waiting = loop_.submit([] { return later(1); });
  Promise<int> promise;
  const Future<int> continued =
      promise.get_future().then(loop_, [](auto&&) { return later(1); });
  loop_.close();
  EXPECT_THAT(error_of<LoopClosedError>([&] { (void)waiting.get(); }), HasSubstr("tested"));
  EXPECT_THROW(loop_.submit([] { return later(1); }).get(), LoopClosedError);
  EXPECT_FALSE(continued.is_ready());
  promise.set_value(1);
  EXPECT_THROW(continued.get(), LoopClosedError);
}

TEST_P(AwaitedResults, AreLoopClosedErrorsOfALoopThatIsClosedMeanwhile) {
  Lives lives;
  Promise<void> gate;
  const auto forever = [&lives, guard = Guard(lives)]() -> Task<void> {
    const Guard frame(lives);
    co_await sleep_for(Duration::max());
  };
  const auto gated = [&lives, &gate, guard = Guard(lives)]() -> Task<void> {
    const Guard frame(lives);
    co_await gate.get_future();
  };
  const int made_here = lives.count();
  const Future<void> asleep = loop_.submit(forever);
  const Future<void> waits = loop_.submit(gated);
  const Future<void> of_future = loop_.submit([&gate] { return gate.get_future(); });
  run_one_iteration();
  run_one_iteration();
  EXPECT_FALSE(asleep.is_ready());
  loop_.close();
  EXPECT_THROW(asleep.get(), LoopClosedError);
  gate.set_value();
  EXPECT_THROW(waits.get(), LoopClosedError);
  EXPECT_THROW(of_future.get(), LoopClosedError);
  EXPECT_EQ(lives.count(), made_here);
}

TEST_P(AwaitedResults, AreLoopClosedErrorsOfAnotherLoopThatTheTaskWasOn) {
  Lives frames;
  const auto stays_there = [&]() -> Task<void> {
    const Guard frame(frames);
    co_await worker().schedule();
    co_await sleep_for(Duration::max());
  };
  const Future<void> stayed = loop_.submit(stays_there);
  const Future<void> spawned = spawn(loop_, stays_there);
  run_one_iteration();
  worker().submit([] {}).get();
  EXPECT_FALSE(stayed.is_ready());
  thread_.stop();
  thread_.join();
  EXPECT_THAT(error_of<LoopClosedError>([&] { stayed.get(); }),
              AllOf(HasSubstr("'tested'"), HasSubstr("another loop")));
  EXPECT_THROW(spawned.get(), LoopClosedError);
  EXPECT_THROW(loop_.run_sync(stays_there), LoopClosedError) << "it is closed already";
  EXPECT_EQ(frames.count(), 0);
}

TEST_P(AwaitedResults, OfAPoolThatEndsAreLoopClosedErrors) {
  const Future<void> asleep =
      pool_.submit([]() -> Task<void> { co_await sleep_for(Duration::max()); });
  pool_.submit([] {}).get();
  pool_.stop();
  pool_.join();
  EXPECT_THROW(asleep.get(), LoopClosedError);
  EXPECT_THROW(pool_.submit([] { return later(1); }).get(), LoopClosedError);
}

// ---- the callable ------------------------------------------------------------------------------

TEST_P(AwaitedResults, FindTheCallableDestroyedAndTheTaskOnItsLoopsThread) {
  Lives callables;
  Lives frames;
  const auto task_of = [&](bool suspends) {
    return [&callables, &frames, suspends, guard = Guard(callables)]() -> Task<int> {
      const Guard frame(frames);
      const std::size_t callable = guard.number();
      const Lives& watched = callables;
      if (suspends) co_await sleep_for(0s);
      co_return watched.has(callable) ? 1 : 0;
    };
  };
  const std::thread::id there = worker().submit([] { return std::this_thread::get_id(); }).get();
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(worker().submit(task_of(i % 2 == 0)).get(), 1);
    ASSERT_EQ(frames.count(), 0);
    ASSERT_EQ(frames.last_end(), there);
    ASSERT_EQ(callables.count(), 0);
  }
}

TEST_P(AwaitedResults, MayBeOfCallablesThatOnlyMove) {
  auto owned = std::make_unique<int>(9);
  EXPECT_EQ(worker()
                .submit([owned = std::move(owned)]() -> Task<int> {
                  co_await sleep_for(0s);
                  co_return *owned;
                })
                .get(),
            9);
}

TEST_P(AwaitedResults, MayBeOfTypesThatOnlySayThatTheyCanBeCopied) {
  const auto make = [] {
    HoldsMoveOnly made;
    made.numbers.push_back(std::make_unique<int>(7));
    return made;
  };
  EXPECT_EQ(*worker().submit(make).get().numbers.at(0), 7);
  EXPECT_EQ(*loop_.run_sync(make).numbers.at(0), 7);
  EXPECT_EQ(loop_.run_sync([&]() -> Task<int> {
    co_return *(co_await worker().submit(make)).numbers.at(0);
  }),
            7);
  EXPECT_EQ(*loop_.run_sync([&]() -> Task<HoldsMoveOnly> { co_return make(); }).numbers.at(0), 7);
}

}  // namespace
}  // namespace zmqloop::testing
