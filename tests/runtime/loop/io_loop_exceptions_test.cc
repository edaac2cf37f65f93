// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Exceptions of callbacks, timers and handlers, and the loop's counts of them.

#include <functional>
#include <memory>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/zmq_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace zmqloop::testing {

// Outside the anonymous namespace, so that its name can be read.
struct NamedCallable {
  void operator()() const { throw std::range_error("out of range"); }
  void operator()(int) const { throw 1; }
};

namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class IOLoopExceptions : public OnBothPollers {};
ZMQLOOP_ON_BOTH_POLLERS(IOLoopExceptions);

TEST_P(IOLoopExceptions, Rel_D1_OfEachKindGoToTheHookAndTheRestGoesOn) {
  std::string log;
  const OwnedFd first = make_event(/*readable=*/true);
  const OwnedFd second = make_event(/*readable=*/true);
  for (int i = 0; i < 2; ++i) {
    loop_.add_callback([] { throw std::runtime_error("callback"); });
    loop_.add_callback([&] { log += 'a'; });
    loop_.add_timeout(0s, [] { throw std::runtime_error("timer"); });
    loop_.add_timeout(0s, [&] { log += 't'; });
    loop_.add_callback_from_signal([] { throw std::runtime_error("signal"); });
    loop_.add_handler(
        i == 0 ? first.get() : second.get(),
        [&](Pollable self, Events) {
          log += 'h';
          loop_.remove_handler(self);
          throw std::runtime_error("handler");
        },
        Events::kRead);
  }
  run_one_iteration();
  EXPECT_EQ(log, "aatthh");
  ASSERT_EQ(loop_.errors.size(), 8u);
  const std::vector<std::string> expected = {"callback", "signal", "callback", "signal",
                                             "timer",    "timer",  "handler",  "handler"};
  for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(loop_.what(i), expected[i]);
  EXPECT_EQ(loop_.stats().callback_exceptions, 8u);
  EXPECT_EQ(loop_.stats().timers_fired, 4u);
  EXPECT_EQ(loop_.stats().handlers_dispatched, 2u);
}

TEST_P(IOLoopExceptions, Rel_D4_ThatAreNoStdExceptionsArriveUnchanged) {
  loop_.add_callback([] { throw 42; });
  loop_.add_callback([] { throw "text"; });
  run_one_iteration();
  ASSERT_EQ(loop_.errors.size(), 2u);
  try {
    std::rethrow_exception(loop_.errors[0]);
  } catch (int number) {
    EXPECT_EQ(number, 42);
  }
}

TEST_P(IOLoopExceptions, Rel_P1_FindTheCallableDestroyedAndTheLoopUsable) {
  class Reposting : public IOLoop {
   public:
    using IOLoop::IOLoop;
    void handle_callback_exception(std::exception_ptr) override {
      EXPECT_EQ(alive.use_count(), 1);
      EXPECT_TRUE(in_loop_thread());
      add_callback([this] { stop(); });
      add_timeout(1h, [] {});
    }
    std::shared_ptr<int> alive = std::make_shared<int>();
  } loop{options()};
  loop.add_callback([alive = loop.alive] { throw 1; });
  loop.start();
  EXPECT_EQ(loop.close().timers_abandoned, 1u);
}

TEST_P(IOLoopExceptions, AreWrittenWithTypeTextCallableAndLoopByDefault) {
  IOLoop loop(options("talkative"));
  const OwnedFd event = make_event(/*readable=*/true);
  const auto text_of = [&](auto&& queue) {
    queue();
    ::testing::internal::CaptureStderr();
    loop.add_callback([&] { loop.add_callback([&] { loop.stop(); }); });
    loop.start();
    return ::testing::internal::GetCapturedStderr();
  };
  const auto says_all = AllOf(HasSubstr("'talkative'"), HasSubstr("std::range_error"),
                              HasSubstr("out of range"), HasSubstr("NamedCallable"));
  EXPECT_THAT(text_of([&] { loop.add_callback(NamedCallable()); }), says_all);
  EXPECT_THAT(text_of([&] { loop.add_timeout(0s, NamedCallable()); }), says_all);
  EXPECT_THAT(text_of([&] { loop.add_callback_from_signal(NamedCallable()); }), says_all);
  EXPECT_THAT(text_of([&] { loop.add_handler(event.get(), NamedCallable(), Events::kRead); }),
              says_all);
  loop.remove_handler(event.get());
  EXPECT_THAT(text_of([&] { loop.add_callback(NamedCallable(), 1); }),
              AllOf(HasSubstr("'talkative'"), HasSubstr("int"), HasSubstr("NamedCallable")));
  EXPECT_EQ(text_of([&] { loop.add_callback([] {}); }), "");
  EXPECT_EQ(loop.stats().callback_exceptions, 5u);
}

TEST_P(IOLoopExceptions, OfNoCallableAreWrittenWithoutOne) {
  class Asked : public IOLoop {
   public:
    using IOLoop::handle_callback_exception;
    using IOLoop::IOLoop;
  };
  Asked loop(options("talkative"));
  loop.add_callback([] { throw std::range_error("out of range"); });
  loop.add_callback([&] { loop.stop(); });
  loop.start();
  ::testing::internal::CaptureStderr();
  loop.handle_callback_exception(std::make_exception_ptr(std::range_error("of nobody")));
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "zmqloop: loop 'talkative': exception: std::range_error: of nobody\n");
}

// The C library ends a cancelled thread by an exception of its own, which must not be swallowed.
TEST_P(IOLoopExceptions, Rel_D4_M8_LetAThreadThatIsCancelledInACallbackEnd) {
  const ChildResult child = run_in_child([] {
    IOLoop loop(options());
    bool cleaned_up = false;
    loop.add_callback([end = std::make_shared<AtDestruction>([&] { cleaned_up = true; })] {
      pthread_cancel(pthread_self());
      pthread_testcancel();
    });
    pthread_t thread;
    pthread_create(
        &thread, nullptr,
        [](void* loop_to_run) -> void* {
          static_cast<IOLoop*>(loop_to_run)->start();
          return nullptr;
        },
        &loop);
    void* result = nullptr;
    pthread_join(thread, &result);
    ZMQLOOP_CHILD_EXPECT(result == PTHREAD_CANCELED);
    ZMQLOOP_CHILD_EXPECT(cleaned_up);
    ZMQLOOP_CHILD_EXPECT(!loop.is_running());
    loop.add_callback([&] { loop.stop(); });
    loop.start();
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
}

TEST_P(IOLoopExceptions, Rel_P2_AreSurvivedWithoutAStandardErrorToWriteThemTo) {
  const ChildResult child = run_in_child([] {
    ::close(STDERR_FILENO);
    IOLoop loop(options());
    int ran = 0;
    loop.add_callback([] { throw std::runtime_error("nobody reads this"); });
    loop.add_callback([&] { ++ran; });
    loop.add_callback([&] { loop.stop(); });
    loop.start();
    return ran == 1 && loop.stats().callback_exceptions == 1 ? 0 : 1;
  });
  EXPECT_TRUE(child.ok()) << child;
}

using IOLoopExceptionsDeathTest = IOLoopExceptions;
ZMQLOOP_ON_BOTH_POLLERS(IOLoopExceptionsDeathTest);

// Throws when the last moved-to object, which the loop runs, is destroyed.
struct ThrowsWhenDestroyed {
  ThrowsWhenDestroyed() = default;
  ThrowsWhenDestroyed(ThrowsWhenDestroyed&& other) noexcept
      : last(std::exchange(other.last, false)) {}
  ThrowsWhenDestroyed& operator=(ThrowsWhenDestroyed&&) = delete;
  ~ThrowsWhenDestroyed() noexcept(false) {
    if (last) throw std::range_error("thrown by a destructor");
  }
  void operator()() const {}
  bool last = true;
};

TEST_P(IOLoopExceptionsDeathTest, Rel_D5_OutOfACallablesDestructorTerminateAndNameTheLoop) {
  EXPECT_DEATH(
      {
        IOLoop loop(options());
        loop.add_callback(ThrowsWhenDestroyed());
        loop.start();
      },
      "destructor of a callable threw, on loop 'tested', thread.*thrown by a destructor");
}

// ---- counts ----

class IOLoopStats : public OnBothPollers {};
ZMQLOOP_ON_BOTH_POLLERS(IOLoopStats);

TEST_P(IOLoopStats, CountExactly) {
  const OwnedFd event = make_event(/*readable=*/true);
  const LoopStats before = loop_.stats();
  EXPECT_EQ(before.iterations, 0u);
  EXPECT_EQ(before.pending, 0u);
  EXPECT_EQ(before.wakeups_sent, 0u);
  for (int i = 0; i < 5; ++i) loop_.add_callback([] {});
  for (int i = 0; i < 3; ++i) loop_.add_callback_from_signal([] {});
  for (int i = 0; i < 2; ++i) loop_.add_timeout(0s, [] {});
  loop_.remove_timeout(loop_.add_timeout(0s, [] {}));
  loop_.add_handler(
      event.get(), [&](Pollable self, Events) { loop_.remove_handler(self); }, Events::kRead);
  EXPECT_EQ(loop_.stats().pending, 8u);
  run_one_iteration();
  loop_.add_callback([] {});
  const LoopStats after = loop_.stats();
  EXPECT_EQ(after.iterations, 2u);
  EXPECT_EQ(after.callbacks_run, 10u);
  EXPECT_EQ(after.timers_fired, 2u);
  EXPECT_EQ(after.handlers_dispatched, 1u);
  EXPECT_EQ(after.signal_posts_accepted, 3u);
  EXPECT_EQ(after.signal_posts_refused, 0u);
  EXPECT_EQ(after.posts_refused, 0u);
  EXPECT_EQ(after.callback_exceptions, 0u);
  EXPECT_EQ(after.pending, 1u);
  EXPECT_EQ(after.wakeups_sent, 0u) << "the loop never slept";
  loop_.close();
  loop_.add_callback([] {});
  loop_.add_callback_from_signal([] {});
  const LoopStats closed = loop_.stats();
  EXPECT_EQ(closed.callbacks_run, 10u);
  EXPECT_EQ(closed.callbacks_abandoned, 1u);
  EXPECT_EQ(closed.posts_refused, 1u);
  EXPECT_EQ(closed.signal_posts_refused, 1u);
  EXPECT_EQ(closed.pending, 0u);
}

TEST_P(IOLoopStats, CountACallbackAsBegunWhileItRuns) {
  std::vector<std::uint64_t> pending;
  std::vector<std::uint64_t> run;
  const auto look = [&] {
    pending.push_back(loop_.stats().pending);
    run.push_back(loop_.stats().callbacks_run);
  };
  loop_.add_callback(look);
  loop_.add_callback_from_signal([] {});
  loop_.add_callback([&] {
    look();
    loop_.add_callback([&] { loop_.stop(); });
    look();
  });
  loop_.start();
  EXPECT_EQ(pending, (std::vector<std::uint64_t>{2, 0, 1}));
  EXPECT_EQ(run, (std::vector<std::uint64_t>{1, 3, 3}));
}

TEST_P(IOLoopStats, Rel_K9_SendAtMostOneWakeUpForEachSleep) {
  constexpr int kRounds = 200;
  std::thread poster([this] {
    for (int i = 0; i < kRounds; ++i) {
      std::atomic<bool> ran{false};
      for (int j = 0; j < 9; ++j) loop_.add_callback([] {});
      loop_.add_callback([&ran] { ran = true; });
      while (!ran) std::this_thread::yield();
    }
    loop_.stop();
  });
  loop_.start();
  poster.join();
  const LoopStats stats = loop_.stats();
  EXPECT_EQ(stats.callbacks_run, kRounds * 10u);
  EXPECT_LE(stats.wakeups_sent, stats.iterations) << "each sleep is in an iteration of its own";
  EXPECT_LE(stats.wakeups_sent, kRounds * 10u);
}

TEST_P(IOLoopStats, NeverGoBackWhileAnotherThreadReadsThem) {
  std::atomic<bool> done{false};
  int went_back = 0;
  std::thread reader([&] {
    LoopStats last;
    while (!done) {
      const LoopStats now = loop_.stats();
      went_back += now.iterations < last.iterations || now.callbacks_run < last.callbacks_run ||
                   now.timers_fired < last.timers_fired || now.wakeups_sent < last.wakeups_sent ||
                   now.pending > 1'000'000;
      last = now;
    }
  });
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 20; ++i) loop_.add_callback([] {});
    loop_.add_timeout(0s, [] {});
    run_one_iteration();
  }
  for (int i = 0; i < 10'000; ++i) loop_.add_callback([] {});
  loop_.close();
  done = true;
  reader.join();
  EXPECT_EQ(went_back, 0);
}

}  // namespace
}  // namespace zmqloop::testing
