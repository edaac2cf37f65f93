// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Futures with several holders, promises destroyed early, and how often values are copied.

#include <array>
#include <atomic>
#include <barrier>
#include <dlfcn.h>
#include <functional>
#include <latch>
#include <memory>
#include <optional>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/entry_points.h"
#include "tests/support/loop_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_pool.h"
#include "zmqloop/runtime/pool/loop_thread.h"

// Lets a test hold up the thread that notifies the waiters of a future. Not under sanitizers, which
// replace pthread_cond_broadcast() themselves.
namespace {
std::atomic<bool> notifiers_are_held_up{false};
std::atomic<const void*> notified_now{nullptr};
std::latch* may_notify = nullptr;
}  // namespace

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr bool kHoldsUpNotifiers = false;
#else
constexpr bool kHoldsUpNotifiers = true;

extern "C" int pthread_cond_broadcast(pthread_cond_t* condition) noexcept {
  using Broadcast = int(pthread_cond_t*);
  static const auto next =
      reinterpret_cast<Broadcast*>(::dlsym(RTLD_NEXT, "pthread_cond_broadcast"));
  if (notifiers_are_held_up.exchange(false)) {
    notified_now = condition;
    may_notify->wait();
  }
  return next(condition);
}
#endif

namespace zmqloop::testing {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

class FutureHolders : public ::testing::Test {
  const LoopWatchdog watchdog_;
};

// ---- one taker only ----------------------------------------------------------------------------

// Lets two threads call `take` for each round's future at the same time, and checks that one of
// them got the value. `make` makes a round's value, `is` compares it with the result.
template <class T, class Make, class Take, class Is>
void race_for_the_value(int rounds, Make make, Take take, Is is) {
  std::optional<Future<T>> future;
  std::array<std::optional<T>, 2> got;
  std::array<std::string, 2> refused;
  std::barrier step(3);
  std::array<std::thread, 2> takers;
  for (std::size_t taker = 0; taker < 2; ++taker) {
    takers[taker] = std::thread([&, taker] {
      for (int round = 0; round < rounds; ++round) {
        step.arrive_and_wait();
        Future<T> mine = *future;
        step.arrive_and_wait();
        try {
          got[taker].emplace(take(std::move(mine)));
        } catch (const std::logic_error& error) {
          refused[taker] = error.what();
        }
        step.arrive_and_wait();
      }
    });
  }
  for (int round = 0; round < rounds; ++round) {
    Promise<T> promise;
    future = promise.get_future();
    promise.set_value(make(round));
    step.arrive_and_wait();
    step.arrive_and_wait();
    step.arrive_and_wait();
    const std::size_t winner = got[0] ? 0 : 1;
    if (!got[winner] || got[1 - winner] || !is(*got[winner], round)) {
      ADD_FAILURE() << "round " << round << ": " << got[0].has_value() << got[1].has_value();
    }
    EXPECT_THAT(refused[1 - winner], HasSubstr("moved out"));
    got = {};
    refused = {};
  }
  for (std::thread& taker : takers) taker.join();
}

TEST_F(FutureHolders, OfAMoveOnlyValueThatTakeAtOnceAreOneThatGetsItAndOneThatIsRefused) {
  race_for_the_value<std::unique_ptr<int>>(
      3'000, [](int round) { return std::make_unique<int>(round); },
      [](const Future<std::unique_ptr<int>>& mine) { return mine.get(); },
      [](const std::unique_ptr<int>& got, int round) { return got != nullptr && *got == round; });
}

// Failures: L1
TEST_F(FutureHolders, OfACopyableValueThatTakeAtOnceAreOneThatGetsItAndOneThatIsRefused) {
  const auto text = [](int round) { return "a text that is moved, number " + std::to_string(round); };
  race_for_the_value<std::string>(
      3'000, text, [](Future<std::string> mine) { return std::move(mine).get(); },
      [&](const std::string& got, int round) { return got == text(round); });
}

// A value of two halves. Copying it takes so long that a move comes in between.
struct TwoHalves {
  explicit TwoHalves(int number) : first(number), second(number) {}
  TwoHalves(const TwoHalves& other) : first(other.first) {
    for (int i = 0; i < 3; ++i) std::this_thread::yield();
    second = other.second;
  }
  TwoHalves(TwoHalves&& other) noexcept
      : first(std::exchange(other.first, -1)), second(std::exchange(other.second, -2)) {}
  TwoHalves& operator=(TwoHalves&&) = delete;
  bool is_whole(int number) const { return first == number && second == number; }
  int first;
  int second = 0;
};

TEST_F(FutureHolders, ThatCopyWhileAnotherTakesGetAWholeValueOrAreRefused) {
  constexpr int kRounds = 1'000;
  constexpr int kReaders = 3;
  std::optional<Future<TwoHalves>> future;
  std::atomic<int> torn{0};
  std::atomic<int> copied{0};
  std::barrier step(kReaders + 1);
  std::vector<std::thread> readers;
  for (int reader = 0; reader < kReaders; ++reader) {
    readers.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        step.arrive_and_wait();
        const Future<TwoHalves> mine = *future;
        step.arrive_and_wait();
        try {
          if (mine.get().is_whole(round)) {
            ++copied;
          } else {
            ++torn;
          }
        } catch (const std::logic_error&) {
          // the value was already taken
        }
        step.arrive_and_wait();
      }
    });
  }
  int taken = 0;
  for (int round = 0; round < kRounds; ++round) {
    Promise<TwoHalves> promise;
    future = promise.get_future();
    promise.set_value(round);
    step.arrive_and_wait();
    step.arrive_and_wait();
    std::this_thread::yield();
    if (std::move(*future).get().is_whole(round)) ++taken;
    step.arrive_and_wait();
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(taken, kRounds);
  EXPECT_GT(copied, 0) << "nobody has read anything";
}

// Throws when it is moved, once `throws` is set.
struct ThrowsWhenTaken {
  ThrowsWhenTaken() = default;
  ThrowsWhenTaken(const ThrowsWhenTaken&) = default;
  ThrowsWhenTaken(ThrowsWhenTaken&&) {
    if (throws) throw std::range_error("not moved");
  }
  ThrowsWhenTaken& operator=(const ThrowsWhenTaken&) = delete;
  static inline std::atomic<bool> throws{false};
};

TEST_F(FutureHolders, StillFindAValueThatCouldNotBeMovedOut) {
  Promise<ThrowsWhenTaken> promise;
  const Future<ThrowsWhenTaken> future = promise.get_future();
  promise.set_value(ThrowsWhenTaken());
  ThrowsWhenTaken::throws = true;
  for (int i = 0; i < 3; ++i) {
    EXPECT_THROW(Future<ThrowsWhenTaken>(future).get(), std::range_error);
  }
  ThrowsWhenTaken::throws = false;
  (void)future.get();
  (void)Future<ThrowsWhenTaken>(future).get();
  EXPECT_THROW(future.get(), std::logic_error);
}

// A reader may read at the very moment when the value is put back.
TEST_F(FutureHolders, StillFindAValueThatCouldNotBeMovedOutWhileTheyCopied) {
  Promise<ThrowsWhenTaken> promise;
  const Future<ThrowsWhenTaken> future = promise.get_future();
  promise.set_value(ThrowsWhenTaken());
  ThrowsWhenTaken::throws = true;
  std::atomic<bool> done{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      while (!done) {
        try {
          (void)future.get();
        } catch (const std::logic_error&) {
          // the value was being taken
        }
      }
    });
  }
  int refused = 0;
  for (int i = 0; i < 100'000; ++i) {
    try {
      (void)Future<ThrowsWhenTaken>(future).get();
    } catch (const std::range_error&) {
      // the value is still there
    } catch (const std::logic_error&) {
      ++refused;
    }
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(refused, 0);
  ThrowsWhenTaken::throws = false;
  EXPECT_NO_THROW((void)future.get());
}

// ---- promises destroyed as soon as their future is ready ---------------------------------------

// The waiting thread owns the promise, and destroys it while the setting thread still uses it.
// Failures: L3
TEST_F(FutureHolders, MayDestroyThePromiseWhileItsSetterNotifies) {
  if (!kHoldsUpNotifiers) GTEST_SKIP() << "sanitizers have this function to themselves";
  for (const bool fails : {false, true}) {
    std::latch go_on(1);
    may_notify = &go_on;
    notified_now = nullptr;
    std::optional<Promise<int>> promise(std::in_place);
    std::optional<Future<int>> future(promise->get_future());
    std::atomic<bool> state_is_gone{false};
    // Destroyed together with the shared state.
    const auto hung_on = std::make_shared<AtDestruction>([&] { state_is_gone = true; });
    notifiers_are_held_up = true;
    std::thread setter([&] {
      if (fails) return promise->set_exception(std::make_exception_ptr(std::range_error("set")));
      promise->set_value(42);
    });
    while (notified_now == nullptr) std::this_thread::yield();
    if (fails) {
      EXPECT_THROW(future->get(), std::range_error);
    } else {
      EXPECT_EQ(future->get(), 42);
    }
    // Reuses the memory, which a late notification would overwrite.
    future.reset();
    promise.reset();
    std::vector<std::unique_ptr<std::array<char, 256>>> reused(64);
    for (auto& each : reused) {
      each = std::make_unique<std::array<char, 256>>();
      const char* const begin = each->data();
      const auto* const used = static_cast<const char*>(notified_now.load());
      EXPECT_FALSE(used >= begin && used < begin + each->size()) << "notifies in freed memory";
    }
    go_on.count_down();
    setter.join();
  }
}

// The same in a way that works in every build: a continuation holds up the setter.
// Failures: L10
TEST_F(FutureHolders, MayDestroyThePromiseWhileItsSetterCallsContinuations) {
  for (const bool fails : {false, true}) {
    std::optional<Promise<std::string>> promise(std::in_place);
    std::optional<Future<std::string>> future(promise->get_future());
    std::latch inside(1);
    std::latch gone(1);
    bool last_was_called = false;
    future->on_ready([&] {
      inside.count_down();
      gone.wait();
    });
    future->on_ready([&] { last_was_called = true; });
    std::thread setter([&] {
      if (fails) {
        EXPECT_TRUE(
            promise->try_set_exception(std::make_exception_ptr(std::range_error("set"))));
      } else {
        promise->set_from([] { return std::string(100, 'x'); });
      }
    });
    inside.wait();
    future.reset();
    promise.reset();
    gone.count_down();
    setter.join();
    EXPECT_TRUE(last_was_called);
  }
}

TEST_F(FutureHolders, MayDestroyThePromiseAsSoonAsTheyHaveTheValue) {
  constexpr int kRounds = 5'000;
  std::atomic<Promise<int>*> to_set{nullptr};
  std::thread setter([&] {
    for (int round = 0; round < kRounds; ++round) {
      Promise<int>* mine = nullptr;
      while ((mine = to_set.exchange(nullptr)) == nullptr) std::this_thread::yield();
      mine->set_value(round);
    }
  });
  for (int round = 0; round < kRounds; ++round) {
    Promise<int> promise;  // on the stack, destroyed at once
    Future<int> future = promise.get_future();
    to_set = &promise;
    EXPECT_EQ(std::move(future).get(), round);
  }
  setter.join();
}

// The value's constructor lets the waiter look while the value is half made.
TEST_F(FutureHolders, AreNotReadyBeforeTheValueIsWhole) {
  struct TellsWhenMade {
    explicit TellsWhenMade(std::latch& made, std::latch& looked) {
      made.count_down();
      looked.wait();
      whole = true;
    }
    bool whole = false;
  };
  std::latch made(1);
  std::latch looked(1);
  std::optional<Promise<TellsWhenMade>> promise(std::in_place);
  Future<TellsWhenMade> future = promise->get_future();
  std::thread setter([&] { promise->set_value(made, looked); });
  made.wait();
  EXPECT_FALSE(future.is_ready());
  EXPECT_FALSE(future.wait(0s));
  EXPECT_FALSE(promise->try_set_exception(std::make_exception_ptr(1))) << "it is being set";
  looked.count_down();
  EXPECT_TRUE(future.get().whole);
  promise.reset();
  setter.join();
}

// ---- submit() destroys its callable first ------------------------------------------------------

class SubmittedCallables : public OnBothPollers {
 protected:
  static LoopThread::Options thread_options() {
    LoopThread::Options of_thread;
    of_thread.loop = options("worker");
    return of_thread;
  }
  LoopThread thread_{thread_options()};
  IOLoop& worker_ = thread_.loop();
};
ZMQLOOP_ON_BOTH_POLLERS(SubmittedCallables);

constexpr int kSubmits = 10'000;

// Failures: L11
TEST_P(SubmittedCallables, AreDestroyedBeforeTheirFutureIsReady) {
  for (int i = 0; i < kSubmits; ++i) {
    auto callable = std::make_shared<int>(i);
    const std::weak_ptr<int> watch = callable;
    ASSERT_EQ(worker_.submit([own = std::move(callable)] { return *own; }).get(), i);
    ASSERT_TRUE(watch.expired()) << "round " << i;
  }
}

TEST_P(SubmittedCallables, ThatThrowAreDestroyedBeforeTheirFutureIsReady) {
  for (int i = 0; i < kSubmits / 10; ++i) {
    auto callable = std::make_shared<int>(i);
    const std::weak_ptr<int> watch = callable;
    const Future<void> future =
        worker_.submit([own = std::move(callable)] { throw std::range_error("thrown"); });
    future.wait();
    ASSERT_TRUE(watch.expired()) << "round " << i;
    EXPECT_THROW(future.get(), std::range_error);
  }
}

TEST_P(SubmittedCallables, ThatReturnTasksAreDestroyedWithThemBeforeTheirFutureIsReady) {
  for (int i = 0; i < kSubmits; ++i) {
    auto callable = std::make_shared<int>(i);
    const std::weak_ptr<int> watch = callable;
    const Future<int> future =
        worker_.submit([own = std::move(callable)]() -> Task<int> {
          const std::shared_ptr<int> of_the_frame = own;
          if (*own % 2 == 0) co_await sleep_for(0s);
          co_return *of_the_frame;
        });
    ASSERT_EQ(future.get(), i);
    ASSERT_TRUE(watch.expired()) << "round " << i;
  }
}

TEST_P(SubmittedCallables, OfThenAndOfRunInExecutorAreDestroyedBeforeTheirFutureIsReady) {
  LoopPool pool({.loops = 1, .name = "pool"});
  for (int i = 0; i < kSubmits / 10; ++i) {
    auto callable = std::make_shared<int>(i);
    const std::weak_ptr<int> watch = callable;
    const Future<int> future = pool.submit([] { return 1; }).then(
        worker_, [own = callable](const Future<int>& one) { return *own + one.get(); });
    const Future<int> executed =
        worker_.run_in_executor(pool, [own = std::move(callable)] { return *own; });
    ASSERT_EQ(future.get(), i + 1);
    ASSERT_EQ(executed.get(), i);
    ASSERT_TRUE(watch.expired()) << "round " << i;
  }
}

TEST_P(SubmittedCallables, ThatNeverRanAreDestroyedBeforeTheirFutureIsReady) {
  for (int i = 0; i < 100; ++i) {
    IOLoop closing(options("closing"));
    auto callable = std::make_shared<int>(i);
    const std::weak_ptr<int> watch = callable;
    bool destroyed_first = false;
    const Future<void> future = closing.submit([own = std::move(callable)] {});
    future.on_ready([&] { destroyed_first = watch.expired(); });
    closing.close();
    EXPECT_TRUE(destroyed_first);
    EXPECT_THROW(future.get(), LoopClosedError);
  }
}

// ---- copies ------------------------------------------------------------------------------------

struct Counted {
  Counted() = default;
  Counted(const Counted&) { ++copies; }
  Counted(Counted&&) noexcept {}
  Counted& operator=(const Counted&) = delete;
  static inline std::atomic<int> copies{0};
};

class Copies : public OnBothPollers {
 protected:
  void SetUp() override { Counted::copies = 0; }
  static Future<Counted> ready() {
    Promise<Counted> promise;
    promise.set_value();
    return promise.get_future();
  }
  LoopPool pool_{{.loops = 1, .name = "pool", .loop = options()}};
};
ZMQLOOP_ON_BOTH_POLLERS(Copies);

// Failures: L12
TEST_P(Copies, OfWhatRunSyncReturnsAreNone) {
  (void)loop_.run_sync([] { return Counted(); });
  (void)loop_.run_sync([]() -> Task<Counted> { co_return Counted(); });
  (void)loop_.run_sync([]() -> Task<Counted> {
    co_await sleep_for(0s);
    co_return Counted();
  });
  (void)loop_.run_sync([] { return ready(); });
  (void)loop_.run_sync([&] { return pool_.submit([] { return Counted(); }); });
  (void)loop_.run_sync([&] {
    return loop_.submit([]() -> Task<Counted> { co_return Counted(); });
  });
  EXPECT_EQ(Counted::copies, 0);
}

// Failures: L12
TEST_P(Copies, OfWhatRunSyncReturnsAreOneWhileOthersHoldIt) {
  const Future<Counted> other = ready();
  (void)loop_.run_sync([&] { return other; });
  EXPECT_EQ(Counted::copies, 1);
  (void)other.get();
  EXPECT_EQ(Counted::copies, 2);
}

TEST_P(Copies, OfWhatRunInExecutorBringsBackAreNone) {
  for (int i = 0; i < 100; ++i) {
    (void)loop_.run_sync(
        [&] { return loop_.run_in_executor(pool_, [] { return Counted(); }); });
    (void)loop_.run_sync([&] { return loop_.run_in_executor(pool_, [] { return ready(); }); });
  }
  EXPECT_EQ(Counted::copies, 0);
}

TEST_P(Copies, OfWhatSubmitAndThenGiveAreNoneIfItIsTaken) {
  LoopThread thread("worker");
  for (int i = 0; i < 100; ++i) {
    (void)thread.loop().submit([] { return Counted(); }).get();
    (void)thread.loop().submit([] { return ready(); }).get();
    (void)thread.loop().submit([]() -> Task<Counted> { co_return Counted(); }).get();
    (void)thread.loop()
        .submit([] { return Counted(); })
        .then(thread.loop(),
              [](Future<Counted> value) { return std::move(value).get(); })
        .get();
  }
  EXPECT_EQ(Counted::copies, 0);
}

TEST_P(Copies, OfWhatATaskAwaitsAreNoneIfNobodyElseHoldsIt) {
  loop_.run_sync([&]() -> Task<void> {
    (void)co_await ready();
    (void)co_await pool_.submit([] { return Counted(); });
    Future<Counted> given_away = pool_.submit([] { return Counted(); });
    (void)co_await std::move(given_away);
    (void)co_await []() -> Task<Counted> { co_return Counted(); }();
    EXPECT_EQ(Counted::copies, 0);
    const Future<Counted> kept = ready();
    (void)co_await kept;
    EXPECT_EQ(Counted::copies, 1);
    (void)co_await Future<Counted>(kept);
    EXPECT_EQ(Counted::copies, 2);
  });
}

// A living promise may give out another future, so values are copied.
TEST_P(Copies, AreMadeWhileThePromiseMayGiveOutMore) {
  Promise<std::string> promise;
  const auto ask = [&promise] { return promise.get_future(); };
  promise.set_value("asked for again and again");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(loop_.run_sync(ask), "asked for again and again");
    EXPECT_EQ(loop_.run_sync([&]() -> Task<std::string> { co_return co_await ask(); }),
              "asked for again and again");
    EXPECT_EQ(pool_.submit(ask).get(), "asked for again and again");
    loop_.add_callback(ask);
  }
  run_one_iteration();
  EXPECT_EQ(ask().get(), "asked for again and again");
}

}  // namespace
}  // namespace zmqloop::testing
