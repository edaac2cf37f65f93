// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Tasks and futures from callables of every kind, and the arguments bound to those callables.

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tests/support/entry_points.h"
#include "tests/support/loop_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace zmqloop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The functions that bind arguments: add_callback and similar ones, and timers.
class BoundArguments : public OnBothPollers {
 protected:
  static constexpr Duration kSoon = 10ms;

  // Gives `f` and `arguments` to each entry point in turn, each on a loop of its own. Calls `check`
  // when the call has begun; then advances the clock.
  template <class F, class Check, class... A>
  void at_each(F f, Check check, const A&... arguments) {
    for (int entry = 0; entry < 6; ++entry) {
      SCOPED_TRACE(entry);
      FakeClock clock;
      IOLoop::Options with_clock = options("bound");
      with_clock.clock = clock.function();
      RecordingLoop loop(with_clock);
      const auto turn = [&] {
        loop.add_callback([&] { loop.add_callback([&] { loop.stop(); }); });
        loop.start();
      };
      bool accepted = true;
      if (entry == 0) accepted = loop.add_callback(f, A(arguments)...);
      if (entry == 1) {
        accepted = loop.try_add_callback(f, A(arguments)...) == PostOutcome::kAccepted;
      }
      if (entry == 2) accepted = loop.spawn_callback(f, A(arguments)...);
      if (entry == 3) loop.call_later(kSoon, f, A(arguments)...);
      if (entry == 4) loop.call_at(clock.now() + kSoon, f, A(arguments)...);
      if (entry == 5) loop.add_timeout(kSoon, f, A(arguments)...);
      EXPECT_TRUE(accepted);
      clock.advance(kSoon);
      turn();
      check();
      clock.advance(kNap);
      turn();
      EXPECT_TRUE(loop.errors.empty());
    }
  }
};
ZMQLOOP_ON_BOTH_POLLERS(BoundArguments);

struct Argument {
  explicit Argument(Lives& lives) : guard(lives) {}
  Guard guard;
  std::string text = "an argument that is too long to be kept in the string itself";
};

TEST_P(BoundArguments, ThatATaskTakesByReferenceLiveUntilItHasEnded) {
  Lives lives;
  std::vector<std::string> seen;
  const auto take = [&](const Argument& argument) -> Task<void> {
    const std::size_t number = argument.guard.number();
    co_await sleep_for(kNap);
    if (lives.has(number)) seen.push_back(argument.text);
  };
  {
    const Argument argument(lives);
    at_each(take, [&] { EXPECT_GT(lives.count(), 1); }, argument);
    EXPECT_EQ(lives.count(), 1);
    EXPECT_EQ(seen, std::vector<std::string>(6, argument.text));
  }
}

TEST_P(BoundArguments, ThatATaskTakesByValueLiveUntilItHasEnded) {
  Lives lives;
  std::vector<std::string> seen;
  const auto take = [&](Argument argument) -> Task<void> {
    co_await sleep_for(kNap);
    seen.push_back(argument.text);
  };
  const Argument argument(lives);
  at_each(take, [&] { EXPECT_GT(lives.count(), 1); }, argument);
  EXPECT_EQ(lives.count(), 1);
  EXPECT_EQ(seen, std::vector<std::string>(6, argument.text));
}

TEST_P(BoundArguments, MayBeStringsForParametersThatAreReferencesToThem) {
  std::vector<std::string> seen;
  const auto take = [&](const std::string& first, std::string&& second) -> Task<void> {
    const std::string& kept = second;
    co_await sleep_for(kNap);
    seen.push_back(first + kept);
  };
  const std::string text(100, 'x');
  at_each(take, [] {}, text, std::string("y"));
  EXPECT_EQ(seen, std::vector<std::string>(6, text + "y"));
}

TEST_P(BoundArguments, ThatOnlyMoveReachTheTask) {
  std::vector<int> seen;
  loop_.add_callback(
      [&](const std::unique_ptr<int>& kept, std::unique_ptr<int> taken) -> Task<void> {
        co_await loop_.submit([] {});
        seen.push_back(*kept + *taken);
      },
      std::make_unique<int>(40), std::make_unique<int>(2));
  run_one_iteration();
  run_one_iteration();
  EXPECT_THAT(seen, ElementsAre(42));
}

// ---- kinds of callables ------------------------------------------------------------------------

class CallablesThatReturnTasks : public OnBothPollers {
 protected:
  void run_to_the_end() {
    for (int i = 0; i < 3; ++i) run_one_iteration();
  }
  static inline int runs = 0;
  void SetUp() override { runs = 0; }

 public:
  static Task<void> of_function() {
    co_await IOLoop::current().schedule();
    co_await sleep_for(0s);
    ++runs;
  }
  static Task<void> fails() {
    co_await sleep_for(0s);
    throw std::range_error("function");
  }
  struct Widget {
    Task<int> run(int by) {
      co_await sleep_for(0s);
      runs += by;
      co_return runs;
    }
  };
};
ZMQLOOP_ON_BOTH_POLLERS(CallablesThatReturnTasks);

TEST_P(CallablesThatReturnTasks, MayBeFunctionsAndPointersToThem) {
  loop_.add_callback(of_function);
  loop_.add_callback(&of_function);
  loop_.call_later(0s, of_function);
  loop_.add_callback_from_signal(of_function);
  run_to_the_end();
  EXPECT_EQ(runs, 4);
  loop_.add_callback(fails);
  run_to_the_end();
  ASSERT_EQ(loop_.errors.size(), 1u);
  EXPECT_EQ(loop_.what(0), "function");
}

TEST_P(CallablesThatReturnTasks, MayBeMemberFunctionsWithTheirObjectBound) {
  Widget widget;
  loop_.add_callback(&Widget::run, &widget, 2);
  loop_.call_later(0s, &Widget::run, std::ref(widget), 3);
  loop_.add_callback(&Widget::run, std::make_shared<Widget>(), 4);
  run_to_the_end();
  EXPECT_EQ(runs, 9);
}

TEST_P(CallablesThatReturnTasks, MayBeFunctionObjectsOfTheStandardLibrary) {
  const std::function<Task<void>()> function = of_function;
  Widget widget;
  loop_.add_callback(function);
  loop_.add_callback(std::bind(&Widget::run, &widget, 1));
  loop_.add_callback(std::ref(function));
  run_to_the_end();
  EXPECT_EQ(runs, 3);
  EXPECT_THROW(loop_.add_callback(std::function<Task<void>()>()), std::invalid_argument);
}

TEST_P(CallablesThatReturnTasks, MayBeCallableOnce) {
  struct Once {
    Task<void> operator()() && {
      co_await sleep_for(0s);
      ++runs;
    }
  };
  loop_.add_callback(Once());
  loop_.call_later(0s, Once());
  run_to_the_end();
  EXPECT_EQ(runs, 2);
}

TEST_P(CallablesThatReturnTasks, MayThrowInsteadOfReturningOne) {
  loop_.add_callback([]() -> Task<void> { throw std::range_error("no coroutine"); });
  loop_.add_callback([]() -> Future<void> { throw std::range_error("no future"); });
  run_to_the_end();
  ASSERT_EQ(loop_.errors.size(), 2u);
  EXPECT_EQ(loop_.what(0), "no coroutine");
  EXPECT_EQ(loop_.what(1), "no future");
}

TEST_P(CallablesThatReturnTasks, MayReturnAReferenceToAFuture) {
  Promise<int> promise;
  Future<int> kept = promise.get_future();
  loop_.add_callback([&]() -> Future<int>& { return kept; });
  loop_.add_callback([&]() -> const Future<int>& { return kept; });
  run_to_the_end();
  promise.set_exception(std::make_exception_ptr(std::range_error("kept")));
  run_to_the_end();
  EXPECT_EQ(loop_.errors.size(), 2u);
  EXPECT_TRUE(kept.valid());
}

TEST_P(CallablesThatReturnTasks, MayBeTooLargeForASlotOrThrowWhenMoved) {
  struct Large {
    Large() = default;
    Large(Large&& other) noexcept(false) : value(other.value) {}
    std::array<char, 500> ballast{};
    int value = 7;
    Task<void> operator()() {
      co_await sleep_for(0s);
      runs += value;
    }
  };
  loop_.add_callback(Large());
  loop_.call_later(0s, Large());
  run_to_the_end();
  EXPECT_EQ(runs, 14);
}

// A slot has room for 48 bytes, and the pointer to the loop that runs the task takes eight of them.
TEST_P(CallablesThatReturnTasks, MayHaveFortyBytesInASignalHandler) {
  struct Full {
    int* runs;
    std::array<char, 32> ballast{};
    Task<void> operator()() {
      co_await sleep_for(0s);
      ++*runs;
    }
  };
  static_assert(sizeof(Full) == 40 && std::is_trivially_copyable_v<Full>);
  EXPECT_TRUE(loop_.add_callback_from_signal(Full{&runs}));
  run_to_the_end();
  EXPECT_EQ(runs, 1);
}

// ---- options -----------------------------------------------------------------------------------

// As with a callable that returns nothing: two loops may run on two threads, so each has a copy.
TEST_P(CallablesThatReturnTasks, AreACopyForEachLoopThatIsMadeWithTheSameOptions) {
  struct Counting {
    std::vector<int>* calls_so_far;
    int calls = 0;
    Task<void> operator()(std::uint64_t) {
      calls_so_far->push_back(++calls);
      co_return;
    }
  };
  std::vector<int> calls_so_far;
  IOLoop::Options with_mark = options("with mark");
  with_mark.high_water_mark = 2;
  with_mark.on_high_water = Counting{&calls_so_far};
  for (int i = 0; i < 2; ++i) {
    IOLoop loop(with_mark);
    for (int post = 0; post < 2; ++post) loop.add_callback([&] { loop.stop(); });
    loop.start();
  }
  EXPECT_THAT(calls_so_far, ElementsAre(1, 1));
}

}  // namespace
}  // namespace zmqloop::testing
