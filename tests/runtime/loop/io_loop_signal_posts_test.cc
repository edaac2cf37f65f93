// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// add_callback_from_signal: from handlers on every kind of thread, at any moment.

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <pthread.h>
#include <signal.h>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/loop_fixture.h"
#include "tests/support/zmq_fixture.h"
#include <gtest/gtest.h>

namespace zmqloop::testing {
namespace {

// Used by the signal handler of these tests.
std::atomic<IOLoop*> target{nullptr};
std::atomic<std::uint64_t> accepted{0};
std::atomic<std::uint64_t> refused{0};
std::atomic<std::uint64_t> run{0};
std::atomic<bool> errno_kept{true};

void post_from_handler(int) {
  const int errno_before = errno;
  errno = 4711;
  const bool done = target.load()->add_callback_from_signal([] { ++run; });
  if (errno != 4711) errno_kept = false;
  ++(done ? accepted : refused);
  errno = errno_before;
}

class IOLoopSignalPosts : public OnBothPollers {
 protected:
  IOLoopSignalPosts() {
    target = &loop_;
    accepted = refused = run = 0;
    errno_kept = true;
    struct sigaction action = {};
    action.sa_handler = &post_from_handler;
    action.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR1, &action, &before_);
  }
  ~IOLoopSignalPosts() override {
    sigaction(SIGUSR1, &before_, nullptr);
    EXPECT_TRUE(errno_kept);
  }

  struct sigaction before_ = {};
};
ZMQLOOP_ON_BOTH_POLLERS(IOLoopSignalPosts);

TEST_P(IOLoopSignalPosts, FromAHandlerOnTheLoopThreadRunInTheNextIteration) {
  std::vector<std::uint64_t> seen;
  loop_.add_callback([&] {
    raise(SIGUSR1);
    seen.push_back(run);
  });
  loop_.add_callback([&] { seen.push_back(run); });
  run_one_iteration();
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{0, 0}));
  EXPECT_EQ(run, 1u);
}

TEST_P(IOLoopSignalPosts, FromHandlersOnOtherThreadsWakeTheLoop) {
  for (std::uint64_t round = 1; round <= 200; ++round) {
    std::thread interrupted([] {
      raise(SIGUSR1);
      target.load()->add_callback_from_signal([] { target.load()->stop(); });
    });
    loop_.start();
    interrupted.join();
    EXPECT_EQ(run, round);
  }
}

TEST_P(IOLoopSignalPosts, Rel_E7_FromAHandlerThatInterruptsTheSleepingLoopRun) {
  const pthread_t loop_thread = pthread_self();
  std::thread interrupter([&] {
    for (std::uint64_t round = 1; round <= 200; ++round) {
      pthread_kill(loop_thread, SIGUSR1);
      while (run != round) std::this_thread::yield();
    }
    loop_.stop();
  });
  loop_.start();
  interrupter.join();
  EXPECT_EQ(run, 200u);
}

TEST_P(IOLoopSignalPosts, MadeBeforeStartAndBetweenStartsRun) {
  raise(SIGUSR1);
  EXPECT_EQ(loop_.stats().pending, 1u);
  run_one_iteration();
  EXPECT_EQ(run, 1u);
  raise(SIGUSR1);
  run_one_iteration();
  EXPECT_EQ(run, 2u);
}

TEST_P(IOLoopSignalPosts, AfterCloseAreRefused) {
  raise(SIGUSR1);
  EXPECT_EQ(loop_.close().callbacks_abandoned, 1u);
  raise(SIGUSR1);
  EXPECT_EQ(accepted, 1u);
  EXPECT_EQ(refused, 1u);
  EXPECT_EQ(run, 0u);
  EXPECT_EQ(loop_.stats().signal_posts_accepted, 1u);
  EXPECT_EQ(loop_.stats().signal_posts_refused, 1u);
}

TEST_P(IOLoopSignalPosts, Rel_E5_AreAcceptedUpToTheNumberOfSlotsExactly) {
  for (const std::size_t slots : {0u, 1u, 3u, 64u, 65u, 1'024u}) {
    IOLoop::Options with_slots = options();
    with_slots.signal_slots = slots;
    IOLoop loop(with_slots);
    target = &loop;
    for (int round = 0; round < 3; ++round) {
      accepted = refused = run = 0;
      for (std::size_t i = 0; i < slots + 2; ++i) raise(SIGUSR1);
      EXPECT_EQ(accepted, slots);
      EXPECT_EQ(refused, 2u);
      loop.add_callback([&] { loop.stop(); });
      loop.start();
      EXPECT_EQ(run, slots) << "and all are free again";
    }
    EXPECT_EQ(loop.stats().signal_posts_refused, 6u);
    target = &loop_;
  }
}

TEST_P(IOLoopSignalPosts, RunInTheOrderTheyWereAccepted) {
  std::vector<int> seen;
  for (int round = 0; round < 5; ++round) {
    seen.clear();
    for (int i = 0; i < 1'000; ++i) {
      ASSERT_TRUE(loop_.add_callback_from_signal([&seen, i] { seen.push_back(i); }));
      if (i % 7 == 0) loop_.add_callback([] {});
    }
    run_one_iteration();
    ASSERT_EQ(seen.size(), 1'000u);
    EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  }
}

template <std::size_t kWords>
struct Filled {
  std::atomic<int>* intact;
  std::uint64_t words[kWords - 1];
  void operator()() const {
    for (const std::uint64_t word : words) {
      if (word != 0x0123456789abcdefu) return;
    }
    ++*intact;
  }
};

struct alignas(16) Aligned {
  std::atomic<int>* intact;
  void operator()() const {
    if (reinterpret_cast<std::uintptr_t>(this) % 16 == 0) ++*intact;
  }
};

void free_function() { ++run; }

TEST_P(IOLoopSignalPosts, CarryFortyEightBytesAlignedToSixteen) {
  std::atomic<int> intact{0};
  Filled<6> largest{&intact, {}};
  for (std::uint64_t& word : largest.words) word = 0x0123456789abcdefu;
  static_assert(sizeof largest == 48);
  EXPECT_TRUE(loop_.add_callback_from_signal(largest));
  EXPECT_TRUE(loop_.add_callback_from_signal(Aligned{&intact}));
  EXPECT_TRUE(loop_.add_callback_from_signal(&free_function));
  EXPECT_TRUE(loop_.add_callback_from_signal(free_function));
  run_one_iteration();
  EXPECT_EQ(intact, 2);
  EXPECT_EQ(run, 2u);
}

TEST_P(IOLoopSignalPosts, ThatThrowGoToTheHook) {
  loop_.add_callback_from_signal([] { throw std::range_error("from a signal"); });
  loop_.add_callback_from_signal([] { ++run; });
  run_one_iteration();
  ASSERT_EQ(loop_.errors.size(), 1u);
  EXPECT_EQ(loop_.what(0), "from a signal");
  EXPECT_EQ(run, 1u);
}

// The loop's callback and handler raise the next signals, which interrupt the loop's own thread.
TEST_P(IOLoopSignalPosts, Rel_E4_ThatLeadToTheNextSignalStarveNeitherTimersNorHandlers) {
  const OwnedFd event = make_event(/*readable=*/true);
  std::uint64_t handled = 0;
  bool timer_ran = false;
  loop_.add_handler(
      event.get(),
      [&] {
        ++handled;
        raise(SIGUSR1);
        if (timer_ran && handled >= 100) loop_.stop();
      },
      Events::kRead);
  loop_.add_timeout(1ms, [&] { timer_ran = true; });
  std::function<void()> again = [&] {
    for (int i = 0; i < 10; ++i) raise(SIGUSR1);
    loop_.add_callback(std::ref(again));
  };
  loop_.add_callback(std::ref(again));
  loop_.start();
  EXPECT_TRUE(timer_ran);
  EXPECT_EQ(refused, 0u) << "each iteration ran what had come before it";
  EXPECT_GE(run, 11 * (handled - 1));
}

TEST_P(IOLoopSignalPosts, Rel_E8_WorkOnAnAlternateStack) {
  std::thread([&] {
    std::vector<char> memory(16 * 1'024);
    stack_t stack = {};
    stack.ss_sp = memory.data();
    stack.ss_size = memory.size();
    ASSERT_EQ(sigaltstack(&stack, nullptr), 0);
    for (int i = 0; i < 10; ++i) raise(SIGUSR1);
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, nullptr);
  }).join();
  run_one_iteration();
  EXPECT_EQ(run, 10u);
}

// Interrupts a thread that repeats `work`, until enough signal handlers ran. Meanwhile the loop
// runs on this thread.
class IOLoopInterruptedPosts : public IOLoopSignalPosts {
 protected:
  template <class F>
  void interrupt_while(F&& work) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    constexpr std::uint64_t kInterrupts = 200;
#else
    constexpr std::uint64_t kInterrupts = 1'000;
#endif
    std::atomic<bool> done{false};
    std::thread worker([&] {
      while (!done) work();
    });
    const pthread_t interrupted = worker.native_handle();
    std::thread interrupter([&] {
      for (std::uint64_t i = 1; i <= kInterrupts; ++i) {
        pthread_kill(interrupted, SIGUSR1);
        while (accepted + refused != i) std::this_thread::yield();
      }
      done = true;
      worker.join();
      loop_.add_callback([this] { loop_.stop(); });
    });
    loop_.start();
    interrupter.join();
    EXPECT_EQ(accepted + refused, kInterrupts);
    EXPECT_EQ(run, accepted);
  }
};
ZMQLOOP_ON_BOTH_POLLERS(IOLoopInterruptedPosts);

TEST_P(IOLoopInterruptedPosts, InTheMiddleOfAllocationsAreSafe) {
  interrupt_while([] {
    std::vector<std::unique_ptr<std::string>> memory;
    for (std::size_t i = 0; i < 100; ++i) {
      memory.push_back(std::make_unique<std::string>(i * 97 % 4'000, 'x'));
    }
  });
}

TEST_P(IOLoopInterruptedPosts, InTheMiddleOfPostsToTheSameLoopAreSafe) {
  std::uint64_t posted = 0;
  std::uint64_t ran = 0;
  std::uint64_t wrong = 0;
  interrupt_while([&] {
    if (posted - loop_.stats().callbacks_run > 10'000 && loop_.stats().pending > 10'000) {
      std::this_thread::yield();
      return;
    }
    loop_.add_callback([&, i = posted] { wrong += ran++ != i; });
    ++posted;
  });
  EXPECT_EQ(ran, posted);
  EXPECT_EQ(wrong, 0u) << "posts stay in order";
}

TEST_P(IOLoopInterruptedPosts, InTheMiddleOfWakingTheLoopAreSafe) {
  interrupt_while([&] {
    std::atomic<bool> ran{false};
    loop_.add_callback([&] { ran = true; });
    while (!ran) std::this_thread::yield();
  });
}

}  // namespace
}  // namespace zmqloop::testing
