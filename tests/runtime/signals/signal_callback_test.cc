// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// prepare_signal_callback: raises from handlers are never lost and never overflow.

#include "zmqloop/runtime/signals/signal_callback.h"

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <pthread.h>
#include <signal.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/loop_fixture.h"
#include <gtest/gtest.h>

namespace zmqloop::testing {
namespace {

class SignalCallbacks : public OnBothPollers {};
ZMQLOOP_ON_BOTH_POLLERS(SignalCallbacks);

TEST_P(SignalCallbacks, RaisesThatWaitTogetherAreOneCallWithTheirNumber) {
  std::vector<std::uint64_t> calls;
  const SignalCallback callback =
      loop_.prepare_signal_callback([&](std::uint64_t raises) { calls.push_back(raises); });
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(callback.raise());
  run_one_iteration();
  EXPECT_TRUE(callback.raise());
  run_one_iteration();
  run_one_iteration();
  EXPECT_EQ(calls, (std::vector<std::uint64_t>{5, 1}));
}

TEST_P(SignalCallbacks, MayBeOfAnyTypeAndTakeNothing) {
  auto owned = std::make_unique<std::vector<int>>(100, 7);
  int sum = 0;
  const SignalCallback callback = loop_.prepare_signal_callback([&sum, owned = std::move(owned)] {
    for (const int i : *owned) sum += i;
  });
  callback.raise();
  run_one_iteration();
  EXPECT_EQ(sum, 700);
}

TEST_P(SignalCallbacks, RaisedByTheirOwnCallRunAgainInTheNextIteration) {
  int calls = 0;
  SignalCallback callback;
  callback = loop_.prepare_signal_callback([&] {
    if (++calls == 1) callback.raise();
    if (calls == 2) loop_.stop();
  });
  callback.raise();
  loop_.start();
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(loop_.stats().iterations, 2u);
}

TEST_P(SignalCallbacks, RaisedBeforeStartRunInTheFirstIteration) {
  bool ran = false;
  const SignalCallback callback = loop_.prepare_signal_callback([&] {
    ran = true;
    loop_.stop();
  });
  callback.raise();
  loop_.start();
  EXPECT_TRUE(ran);
}

TEST_P(SignalCallbacks, RunInOrderWithPostsOfTheSameThread) {
  std::vector<int> order;
  const SignalCallback callback = loop_.prepare_signal_callback([&] { order.push_back(2); });
  loop_.add_callback([&] { order.push_back(1); });
  callback.raise();
  loop_.add_callback([&] { order.push_back(3); });
  run_one_iteration();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST_P(SignalCallbacks, WakeASleepingLoopEachTime) {
  std::atomic<std::uint64_t> answered{0};
  const SignalCallback callback =
      loop_.prepare_signal_callback([&](std::uint64_t raises) { answered += raises; });
  std::thread raiser([&] {
    for (std::uint64_t round = 1; round <= 300; ++round) {
      callback.raise();
      while (answered != round) sched_yield();
    }
    loop_.add_callback([&] { loop_.stop(); });
  });
  loop_.start();
  raiser.join();
  EXPECT_EQ(answered, 300u);
}

TEST_P(SignalCallbacks, FromManyThreadsAreAllCounted) {
  constexpr std::uint64_t kRaises = 20'000;
  constexpr int kThreads = 4;
  std::uint64_t answered = 0;
  const SignalCallback callback = loop_.prepare_signal_callback([&](std::uint64_t raises) {
    EXPECT_GT(raises, 0u);
    answered += raises;
    if (answered == kRaises * kThreads) loop_.stop();
  });
  std::vector<std::thread> raisers;
  for (int i = 0; i < kThreads; ++i) {
    raisers.emplace_back([&] {
      for (std::uint64_t n = 0; n < kRaises; ++n) callback.raise();
    });
  }
  loop_.start();
  for (std::thread& raiser : raisers) raiser.join();
  EXPECT_EQ(answered, kRaises * kThreads);
}

TEST_P(SignalCallbacks, ThatAreDestroyedAreNotCalledAndFreeTheirCallable) {
  bool destroyed = false;
  bool ran = false;
  std::optional<SignalCallback> callback(loop_.prepare_signal_callback(
      [&ran, guard = AtDestruction([&] { destroyed = true; })] { ran = true; }));
  callback->raise();
  callback.reset();
  EXPECT_FALSE(destroyed) << "the raise that waits still refers to it";
  run_one_iteration();
  EXPECT_FALSE(ran);
  EXPECT_TRUE(destroyed);
}

TEST_P(SignalCallbacks, MayDestroyThemselvesWhileTheyRun) {
  std::optional<SignalCallback> callback;
  bool destroyed = false;
  bool alive_after = false;
  callback.emplace(
      loop_.prepare_signal_callback([&, guard = AtDestruction([&] { destroyed = true; })] {
        callback.reset();
        alive_after = !destroyed;
      }));
  callback->raise();
  run_one_iteration();
  EXPECT_TRUE(alive_after);
  EXPECT_TRUE(destroyed);
}

TEST_P(SignalCallbacks, ExceptionsGoToTheHookWithTheCallablesOwnType) {
  const SignalCallback callback =
      loop_.prepare_signal_callback([] { throw std::runtime_error("raised"); });
  callback.raise();
  run_one_iteration();
  ASSERT_EQ(loop_.errors.size(), 1u);
  EXPECT_EQ(loop_.what(0), "raised");
}

TEST_P(SignalCallbacks, AreRefusedOnceTheLoopIsClosed) {
  bool destroyed = false;
  SignalCallback callback =
      loop_.prepare_signal_callback([guard = AtDestruction([&] { destroyed = true; })] {});
  callback.raise();
  EXPECT_EQ(loop_.close().callbacks_abandoned, 1u);
  EXPECT_FALSE(callback.raise()) << "one that would join the raise that was abandoned";
  EXPECT_FALSE(callback.raise());
  EXPECT_FALSE(destroyed);
  callback = SignalCallback();
  EXPECT_TRUE(destroyed);
}

// Found by tests/model/signal_callback.pml: the slot was given to the next caller, which wrote to
// it while the closing thread read it.
TEST(SignalCallback, ThatIsDestroyedWhileItsLoopIsClosedLeavesItsSlotToTheClosingThread) {
  IOLoop loop({.signal_slots = 1});
  SignalCallback callback = loop.prepare_signal_callback([] {});
  bool slot_left = true;
  loop.add_callback([guard = AtDestruction([&] {
                       callback = SignalCallback();
                       try {
                         callback = loop.prepare_signal_callback([] {});
                       } catch (const std::length_error&) {
                         slot_left = false;
                       }
                     })] {});
  callback.raise();
  EXPECT_EQ(loop.close().callbacks_abandoned, 2u);
  EXPECT_FALSE(slot_left);
}

TEST(SignalCallback, OutlivesItsLoop) {
  SignalCallback callback;
  {
    IOLoop loop;
    callback = loop.prepare_signal_callback([] {});
  }
  EXPECT_FALSE(callback.raise());
}

TEST(SignalCallback, ThatRefersToNothingRaisesNothing) { EXPECT_FALSE(SignalCallback().raise()); }

TEST(SignalCallback, SaysWhichOptionToRaiseWhenNoSlotIsLeft) {
  IOLoop loop({.name = "small", .signal_slots = 2});
  const SignalCallback first = loop.prepare_signal_callback([] {});
  std::optional<SignalCallback> second(loop.prepare_signal_callback([] {}));
  const std::string message =
      error_of<std::length_error>([&] { (void)loop.prepare_signal_callback([] {}); });
  EXPECT_NE(message.find("small"), std::string::npos) << message;
  EXPECT_NE(message.find("signal_slots"), std::string::npos) << message;
  second.reset();
  EXPECT_NO_THROW((void)loop.prepare_signal_callback([] {}));
}

TEST(SignalCallback, RefusesANullCallable) {
  IOLoop loop;
  EXPECT_THROW((void)loop.prepare_signal_callback(static_cast<void (*)()>(nullptr)),
               std::invalid_argument);
}

TEST(SignalCallback, LeavesTheOtherSlotsToPostsFromSignals) {
  IOLoop loop({.signal_slots = 3});
  const SignalCallback callback = loop.prepare_signal_callback([] {});
  int accepted = 0;
  for (int i = 0; i < 5; ++i) {
    if (loop.add_callback_from_signal([] {})) ++accepted;
  }
  EXPECT_EQ(accepted, 2);
  EXPECT_TRUE(callback.raise()) << "its own slot is always there";
  loop.add_callback([&] { loop.stop(); });
  loop.start();
  EXPECT_EQ(loop.stats().callbacks_run, 4u);
}

const SignalCallback* in_handler = nullptr;

TEST(SignalCallback, RaisedInAHandlerKeepsErrno) {
  IOLoop loop;
  std::uint64_t answered = 0;
  const SignalCallback callback = loop.prepare_signal_callback([&](std::uint64_t raises) {
    answered += raises;
    loop.stop();
  });
  in_handler = &callback;
  struct sigaction action = {};
  struct sigaction before = {};
  action.sa_handler = [](int) { in_handler->raise(); };
  sigaction(SIGUSR2, &action, &before);
  errno = 4711;
  for (int i = 0; i < 3; ++i) raise(SIGUSR2);
  EXPECT_EQ(errno, 4711);
  sigaction(SIGUSR2, &before, nullptr);
  loop.start();
  EXPECT_EQ(answered, 3u);
}

TEST(SignalCallback, InAForkedChildIsRefusedAndLeavesTheCallableAlone) {
  bool destroyed = false;
  IOLoop loop;
  SignalCallback callback =
      loop.prepare_signal_callback([guard = AtDestruction([&] { destroyed = true; })] {});
  EXPECT_TRUE(run_in_child([&] {
                const bool raised = callback.raise();
                callback = SignalCallback();
                return raised || destroyed ? 1 : 0;
              }).ok());
  EXPECT_TRUE(callback.raise());
}

}  // namespace
}  // namespace zmqloop::testing
