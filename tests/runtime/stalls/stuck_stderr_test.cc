// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A thread holds the lock of the C library's stderr for ever, like a thread stuck in a write. The
// library's own messages must come out all the same.

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "tests/support/child_process.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/stall_reports.h"
#include "tests/support/zmq_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_pool.h"
#include "zmqloop/runtime/pool/loop_thread.h"
#include "zmqloop/runtime/tasks/task.h"

namespace zmqloop::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int kTerminated = 77;

class StuckStandardError : public ::testing::TestWithParam<PollerKind> {
 protected:
  static IOLoop::Options options() {
    IOLoop::Options result;
    result.poller = GetParam();
    result.name = "tested";
    return result;
  }
  static LoopThread::Options of_thread() {
    LoopThread::Options result;
    result.name = "tested";
    result.loop = options();
    return result;
  }

  // Runs `body` in a child that cannot use stdio's stderr. Its result is the exit code. After
  // std::terminate(), whose own message would wait for stdio, the exit code is kTerminated.
  template <class F>
  static ChildResult run_stuck(F body) {
    return run_in_child([&]() -> int {
      std::set_terminate([] { end(kTerminated); });
      std::latch held(1);
      std::thread([&held] {
        ::flockfile(stderr);
        held.count_down();
        for (;;) ::pause();
      }).detach();
      held.wait();
      end(body());
    });
  }

 private:
  // Bypasses even _exit(), in which ThreadSanitizer flushes stdio.
  [[noreturn]] static void end(int code) {
    ::syscall(SYS_exit_group, code);
    std::abort();
  }
};
INSTANTIATE_TEST_SUITE_P(Pollers, StuckStandardError,
                         ::testing::Values(PollerKind::kEpoll, PollerKind::kZmqPoll), poller_name);

// Failures: P4
TEST_P(StuckStandardError, DoesNotHoldUpTheReportOfACallbacksException) {
  const ChildResult child = run_stuck([] {
    IOLoop loop(options());
    loop.add_callback([] { throw std::range_error("of a callback"); });
    loop.add_callback([&] { loop.stop(); });
    loop.start();
    return loop.stats().callback_exceptions == 1 ? 0 : 1;
  });
  EXPECT_TRUE(child.ok()) << child;
  EXPECT_THAT(child.error_output,
              AllOf(HasSubstr("'tested'"), HasSubstr("std::range_error"), HasSubstr("of a callback")));
}

TEST_P(StuckStandardError, DoesNotHoldUpTheReportsOfOtherExceptions) {
  const ChildResult child = run_stuck([] {
    IOLoop loop(options());
    const OwnedFd event = make_event(/*readable=*/true);
    loop.add_timeout(0s, [] { throw std::runtime_error("of a timer"); });
    loop.add_callback_from_signal([] { throw std::runtime_error("of a signal"); });
    loop.add_callback([]() -> Task<void> {
      co_await sleep_for(0s);
      throw std::runtime_error("of a task");
    });
    loop.add_handler(
        event.get(),
        [&](Pollable self, Events) {
          loop.remove_handler(self);
          throw std::runtime_error("of a handler");
        },
        Events::kRead);
    while (loop.stats().callback_exceptions < 4) {
      loop.add_callback([&] { loop.add_callback([&] { loop.stop(); }); });
      loop.start();
    }
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
  EXPECT_THAT(child.error_output, AllOf(HasSubstr("of a timer"), HasSubstr("of a signal"),
                                        HasSubstr("of a task"), HasSubstr("of a handler")));
}

TEST_P(StuckStandardError, DoesNotHoldUpTheReportOfALoopThatIsClosed) {
  const ChildResult child = run_stuck([] {
    std::optional<Future<void>> unseen;
    LoopThread thread(of_thread());
    unseen = thread.loop().submit([] { throw std::runtime_error("of a dropped future"); });
    unseen->wait();
    thread.stop();
    thread.join();
    unseen.reset();
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
  EXPECT_THAT(child.error_output, HasSubstr("of a dropped future"));
}

TEST_P(StuckStandardError, DoesNotHoldUpTheReportOfAStall) {
  const ChildResult child = run_stuck([] {
    IOLoop loop(options());
    StallReports reports;
    loop.set_blocking_signal_threshold(1ms, [&](const StallReport& report) {
      IOLoop::log_stack(report);
      reports.add(report);
      if (report.ended) throw std::runtime_error("of a stall's action");
    });
    loop.add_callback([&] { reports.wait_until_begun(1); });
    loop.add_callback([&] { loop.stop(); });
    loop.start();
    loop.close();  // waits for the report of the stall's end
    return reports.ended() >= 1 ? 0 : 1;
  });
  EXPECT_TRUE(child.ok()) << child;
  EXPECT_THAT(child.error_output, AllOf(HasSubstr("'tested'"), HasSubstr("of a stall's action")));
}

TEST_P(StuckStandardError, DoesNotHoldUpTheLastWordsOfALoopThatIsDestroyedWhileItRuns) {
  const ChildResult child = run_stuck([] {
    auto loop = std::make_unique<IOLoop>(options());
    std::latch runs(1);
    std::thread([&] {
      loop->add_callback([&] { runs.count_down(); });
      loop->start();
    }).detach();
    runs.wait();
    loop.reset();
    return 0;
  });
  EXPECT_EQ(child.exit_code, kTerminated) << child;
  EXPECT_THAT(child.error_output, AllOf(HasSubstr("'tested'"), HasSubstr("destroyed while it runs")));
}

TEST_P(StuckStandardError, DoesNotHoldUpTheLastWordsOfALoopThreadThatIsDestroyedByItself) {
  const ChildResult child = run_stuck([] {
    auto thread = std::make_unique<LoopThread>(of_thread());
    thread->loop().add_callback([&] { thread.reset(); });
    for (;;) ::pause();
    return 0;
  });
  EXPECT_EQ(child.exit_code, kTerminated) << child;
  EXPECT_THAT(child.error_output, HasSubstr("LoopThread 'tested' destroyed on its own"));
}

TEST_P(StuckStandardError, DoesNotHoldUpTheLastWordsOfAPoolThatIsDestroyedByItself) {
  const ChildResult child = run_stuck([] {
    LoopPool::Options of_pool;
    of_pool.loops = 1;
    of_pool.loop = options();
    auto pool = std::make_unique<LoopPool>(of_pool);
    pool->loop(0).add_callback([&] { pool.reset(); });
    for (;;) ::pause();
    return 0;
  });
  EXPECT_EQ(child.exit_code, kTerminated) << child;
  EXPECT_THAT(child.error_output, HasSubstr("LoopPool destroyed on the thread of its own loop"));
}

TEST_P(StuckStandardError, DoesNotHoldUpTheLastWordsOfAThreadThatAnExceptionEscapes) {
  const ChildResult child = run_stuck([] {
    NamedThread({.name = "thrower"}, [] { throw std::runtime_error("out of the body"); }).join();
    return 0;
  });
  EXPECT_EQ(child.exit_code, kTerminated) << child;
  EXPECT_THAT(child.error_output, AllOf(HasSubstr("escaped from"), HasSubstr("(thrower)")));
}

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

TEST_P(StuckStandardError, DoesNotHoldUpTheLastWordsOfACallableWhoseDestructorThrows) {
  const ChildResult child = run_stuck([] {
    IOLoop loop(options());
    loop.add_callback(ThrowsWhenDestroyed());
    loop.start();
    return 0;
  });
  EXPECT_EQ(child.exit_code, kTerminated) << child;
  EXPECT_THAT(child.error_output, AllOf(HasSubstr("destructor of a callable"), HasSubstr("'tested'")));
}

}  // namespace
}  // namespace zmqloop::testing
