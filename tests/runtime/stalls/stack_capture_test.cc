// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Stacks of other threads, taken in the middle of any work.

#include "zmqloop/threading/host/stack_capture.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <pthread.h>
#include <signal.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/loop_watchdog.h"
#include "tests/support/stress_counts.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/threading/host/semaphore.h"
#include "zmqloop/threading/host/stack_trace.h"
#include "zmqloop/threading/host/thread_label.h"

// ---- functions to be found in stacks ---------------------------------------------------------

extern "C" {

__attribute__((noinline)) void zmqloop_test_throws_one() {
  const std::string held(100, 'x');  // destroyed on the way
  throw std::runtime_error(held);
}

__attribute__((noinline)) void zmqloop_test_spins(const std::atomic<bool>& done) {
  while (!done) {
  }
}

__attribute__((noinline)) void zmqloop_test_waits(zmqloop::Semaphore& posted) {
  posted.wait_until(zmqloop::Semaphore::TimePoint::max());
  asm volatile("" ::: "memory");  // no tail call: this frame stays
}

__attribute__((noinline)) void zmqloop_test_descends(int depth, const std::atomic<bool>& done) {
  if (depth == 0) {
    zmqloop_test_spins(done);
  } else {
    zmqloop_test_descends(depth - 1, done);
  }
  asm volatile("" ::: "memory");
}

__attribute__((noinline)) void zmqloop_test_allocates(const std::atomic<bool>& done) {
  std::vector<void*> blocks(64);
  for (std::size_t round = 0; !done; ++round) {
    void*& block = blocks[round % blocks.size()];
    std::free(block);
    block = std::malloc(round % 5'000 + 1);
  }
  for (void* block : blocks) std::free(block);
}

// Throws through a frame with a destructor, so that the unwinding is resumed.
__attribute__((noinline)) void zmqloop_test_throws(const std::atomic<bool>& done) {
  struct Cleanup {
    int& count;
    ~Cleanup() { ++count; }
  };
  int cleanups = 0;
  while (!done) {
    try {
      const Cleanup cleanup{cleanups};
      zmqloop_test_throws_one();
    } catch (const std::exception&) {
      ++cleanups;
    }
  }
}

}  // extern "C"

namespace zmqloop::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

// Sanitizers may answer a signal later, from within functions of their own. Unoptimised code may
// answer from within the operators it calls.
#if defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
constexpr bool kAnswersAtOnce = false;
#else
constexpr bool kAnswersAtOnce = true;
#endif

constexpr Duration kPatience = 60s;

// Returns a number that the compiler does not know: it makes no copy of a function for that number,
// whose name would be another one.
int unknown(int number) {
  asm volatile("" : "+r"(number));
  return number;
}

// ---- a handler that was there before ---------------------------------------------------------

std::atomic<int> foreign_signals{0};
std::atomic<int> foreign_value{0};

// Installed before any code in this program can have installed the library's handler.
const bool installed_before = [] {
  struct sigaction action = {};
  action.sa_flags = SA_SIGINFO;
  action.sa_sigaction = [](int, siginfo_t* info, void*) {
    ++foreign_signals;
    foreign_value = info->si_value.sival_int;
  };
  return ::sigaction(SIGURG, &action, nullptr) == 0;
}();

// ---- helpers ---------------------------------------------------------------------------------

// A thread that runs a function, and its kernel id.
class Subject {
 public:
  explicit Subject(std::function<void()> body)
      : thread_([this, body] {
          id_ = current_thread_id();
          id_.notify_all();
          body();
        }) {
    id_.wait(0);
  }
  ~Subject() { join(); }
  void join() {
    if (thread_.joinable()) thread_.join();
  }
  pid_t id() const { return id_; }

 private:
  std::atomic<pid_t> id_{0};
  std::thread thread_;
};

StackTrace trace_of(const stack_capture::Taken& taken) {
  return taken.addresses.empty() ? StackTrace(taken.failure)
                                 : StackTrace(std::span(taken.addresses));
}

StackTrace take(pid_t thread) { return trace_of(stack_capture::take(thread, kPatience)); }

bool names(const StackTrace& stack, const std::string& function) {
  return std::any_of(stack.begin(), stack.end(),
                     [&](const StackTrace::Frame& frame) { return frame.function == function; });
}

// Takes stacks until one names the function: the subject may only be on its way to it.
bool comes_to(pid_t thread, const std::string& function) {
  for (int attempt = 0; attempt < 10'000; ++attempt) {
    if (names(take(thread), function)) return true;
    std::this_thread::yield();
  }
  return false;
}

class StackCapture : public ::testing::Test {
 protected:
  StackCapture() { stack_capture::install(); }
  const LoopWatchdog watchdog_;
};

// ---- the stack taken -------------------------------------------------------------------------

TEST_F(StackCapture, BeginsWithTheFunctionThatWasInterrupted) {
  std::atomic<bool> done{false};
  Subject subject([&] { zmqloop_test_spins(done); });
  EXPECT_TRUE(comes_to(subject.id(), "zmqloop_test_spins"));
  const StackTrace stack = take(subject.id());
  done = true;
  EXPECT_TRUE(names(stack, "zmqloop_test_spins")) << stack.text();
  if (kAnswersAtOnce) {
    EXPECT_EQ(stack[0].function, "zmqloop_test_spins") << stack.text();
  }
}

TEST_F(StackCapture, ReachesThroughASystemCall) {
  Semaphore posted;
  Subject subject([&] { zmqloop_test_waits(posted); });
  EXPECT_TRUE(comes_to(subject.id(), "zmqloop_test_waits"));
  posted.post();
}

TEST_F(StackCapture, KeepsTheInnermostFramesOfADeepStack) {
  std::atomic<bool> done{false};
  Subject subject([&] { zmqloop_test_descends(1'000, done); });
  EXPECT_TRUE(comes_to(subject.id(), "zmqloop_test_spins"));
  const StackTrace stack = take(subject.id());
  done = true;
  EXPECT_EQ(stack.size(), stack_capture::kMostFrames);
  EXPECT_EQ(stack[stack.size() - 1].function, "zmqloop_test_descends");
}

TEST_F(StackCapture, WorksOnTheCallingThreadToo) {
  const StackTrace stack = take(current_thread_id());
  EXPECT_TRUE(names(stack, "main")) << stack.text();
}

// ---- the code interrupted --------------------------------------------------------------------

TEST_F(StackCapture, IsSafeInsideMalloc) {
  std::atomic<bool> done{false};
  Subject subject([&] { zmqloop_test_allocates(done); });
  for (std::uint64_t i = 0; i < light_stress_count(10'000); ++i) {
    EXPECT_FALSE(stack_capture::take(subject.id(), kPatience).addresses.empty());
  }
  done = true;
}

// A walk that starts within the unwinder finds garbage, and crashes sooner or later. So this test
// takes many stacks.
TEST_F(StackCapture, IsSafeInTheUnwindingOfExceptions) {
  std::atomic<bool> done{false};
  Subject subject([&] { zmqloop_test_throws(done); });
  int named = 0;
  const auto captures = static_cast<int>(light_stress_count(400));
  for (int i = 0; i < captures; ++i) {
    const StackTrace stack = take(subject.id());
    EXPECT_FALSE(stack.empty()) << stack.text();
    if (names(stack, "zmqloop_test_throws")) ++named;
  }
  done = true;
  EXPECT_GT(named, captures / 2) << "it is asked again if it was in the middle of a throw";
}

TEST_F(StackCapture, KeepsErrno) {
  std::atomic<bool> done{false};
  std::atomic<bool> spoiled{false};
  Subject subject([&] {
    errno = EXDEV;
    while (!done) {
      if (errno != EXDEV) spoiled = true;
    }
  });
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(take(subject.id()).empty());
  done = true;
  subject.join();
  EXPECT_FALSE(spoiled);
}

// ---- threads that do not answer --------------------------------------------------------------

void set_blocked(int how) {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGURG);
  ::pthread_sigmask(how, &signals, nullptr);
}

// A thread that blocks the signal until let_hear(), and then waits for its end.
class DeafSubject {
 public:
  ~DeafSubject() {
    let_hear();
    done_.post();
  }
  pid_t id() const { return subject_.id(); }
  void let_hear() { hear_.post(); }

 private:
  void run() {
    set_blocked(SIG_BLOCK);
    hear_.wait_until(Semaphore::TimePoint::max());
    set_blocked(SIG_UNBLOCK);
    zmqloop_test_waits(done_);
  }

  Semaphore hear_;
  Semaphore done_;
  Subject subject_{[this] { run(); }};
};

// Asks until the subject blocks the signal.
std::string failure_of_taking(pid_t thread) {
  std::string failure;
  while (failure.empty()) failure = stack_capture::take(thread, kPatience).failure;
  return failure;
}

TEST_F(StackCapture, SaysThatAThreadBlocksTheSignal) {
  DeafSubject deaf;
  EXPECT_EQ(failure_of_taking(deaf.id()), "its thread blocks SIGURG");
}

TEST_F(StackCapture, WaitsNoLongerThanItIsToldForAThreadThatSpinsDeaf) {
  std::atomic<bool> done{false};
  Semaphore deaf;
  Subject subject([&] {
    set_blocked(SIG_BLOCK);
    deaf.post();
    zmqloop_test_spins(done);
  });
  deaf.wait_until(Semaphore::TimePoint::max());
  EXPECT_EQ(stack_capture::take(subject.id(), 1ms).failure, "its thread blocks SIGURG");
  done = true;
}

TEST_F(StackCapture, IsNotDisturbedByALateAnswer) {
  std::atomic<bool> done{false};
  Subject other([&] { zmqloop_test_descends(unknown(3), done); });
  EXPECT_TRUE(comes_to(other.id(), "zmqloop_test_spins"));
  for (int round = 0; round < 5; ++round) {
    DeafSubject deaf;
    EXPECT_EQ(failure_of_taking(deaf.id()), "its thread blocks SIGURG");
    deaf.let_hear();  // the signal is pending: it comes during the next steps
    for (int i = 0; i < 50; ++i) {
      EXPECT_TRUE(names(take(other.id()), "zmqloop_test_descends"));
    }
    EXPECT_TRUE(comes_to(deaf.id(), "zmqloop_test_waits"));
  }
  done = true;
}

TEST_F(StackCapture, SaysThatAThreadHasEnded) {
  pid_t id = 0;
  {
    const Subject subject([] {});
    id = subject.id();
  }
  EXPECT_EQ(stack_capture::take(id, kPatience).failure, "its thread has ended");
}

// ---- signals of others -----------------------------------------------------------------------

TEST_F(StackCapture, LeavesTheSignalsOfOthersToTheHandlerThatWasThere) {
  ASSERT_TRUE(installed_before);
  const int before = foreign_signals;
  ::raise(SIGURG);
  EXPECT_EQ(foreign_signals, before + 1);
  sigval value = {};
  value.sival_int = 4711;
  ASSERT_EQ(::pthread_sigqueue(::pthread_self(), SIGURG, value), 0);
  EXPECT_EQ(foreign_signals, before + 2);
  EXPECT_EQ(foreign_value, 4711);
}

TEST_F(StackCapture, DoesNotBotherTheHandlerThatWasThere) {
  std::atomic<bool> done{false};
  Subject subject([&] { zmqloop_test_spins(done); });
  const int before = foreign_signals;
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(take(subject.id()).empty());
  done = true;
  subject.join();
  EXPECT_EQ(foreign_signals, before);
}

TEST_F(StackCapture, LetsThreadsTakeTurns) {
  std::atomic<bool> done{false};
  Subject spinning([&] { zmqloop_test_spins(done); });
  Subject descended([&] { zmqloop_test_descends(unknown(3), done); });
  EXPECT_TRUE(comes_to(spinning.id(), "zmqloop_test_spins"));
  EXPECT_TRUE(comes_to(descended.id(), "zmqloop_test_spins"));
  std::atomic<int> wrong{0};
  const auto ask = [&](pid_t thread, bool descends) {
    for (std::uint64_t i = 0; i < light_stress_count(1'000); ++i) {
      const auto taken = stack_capture::take(thread, kPatience);
      if (taken.addresses.empty()) ++wrong;
      if (i % 10 == 0 && names(trace_of(taken), "zmqloop_test_descends") != descends) ++wrong;
    }
  };
  std::thread one([&] { ask(spinning.id(), false); });
  std::thread two([&] { ask(descended.id(), true); });
  one.join();
  two.join();
  done = true;
  EXPECT_EQ(wrong, 0);
}

// ---- the mask --------------------------------------------------------------------------------

TEST(StackCaptureMask, TellsWhetherTheSignalWasBlocked) {
  EXPECT_FALSE(stack_capture::unblock_here());
  stack_capture::block_here();
  EXPECT_TRUE(stack_capture::unblock_here());
  EXPECT_FALSE(stack_capture::unblock_here());
}

// ---- as text ---------------------------------------------------------------------------------

TEST(StackTraceTest, IsALineForEachFrame) {
  const std::vector<std::uintptr_t> addresses = {
      reinterpret_cast<std::uintptr_t>(&zmqloop_test_spins), 16};
  const StackTrace stack{std::span(addresses)};
  ASSERT_EQ(stack.size(), 2u);
  EXPECT_EQ(stack[0].address, addresses[0]);
  EXPECT_EQ(stack[0].function, "zmqloop_test_spins");
  EXPECT_EQ(stack[1].function, "");
  EXPECT_THAT(stack.text(),
              ::testing::MatchesRegex("    #00 0x[0-9a-f]+ zmqloop_test_spins\n"
                                      "    #01 0x000000000010 \\(unknown function\\)\n"));
  EXPECT_EQ(stack.why_empty(), "");
}

TEST(StackTraceTest, SaysWhyItIsEmpty) {
  const StackTrace stack("the dog ate it");
  EXPECT_TRUE(stack.empty());
  EXPECT_EQ(stack.begin(), stack.end());
  EXPECT_EQ(stack.text(), "    no stack: the dog ate it\n");
  EXPECT_FALSE(StackTrace().why_empty().empty());
}

}  // namespace
}  // namespace zmqloop::testing
