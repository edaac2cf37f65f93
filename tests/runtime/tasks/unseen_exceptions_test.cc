// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Exceptions in futures whose last copy is destroyed before anyone has seen them: counted, and
// reported by the loop that ran the throwing callable.

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/entry_points.h"
#include "tests/support/loop_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_pool.h"
#include "zmqloop/runtime/pool/loop_thread.h"

namespace zmqloop::testing {

// Outside the anonymous namespace, so that their names can be read.
struct FailsUnseen {
  int operator()() const { throw std::range_error("unseen"); }
  int operator()(const Future<int>&) const { throw std::range_error("unseen"); }
};
struct FailsUnseenLater {
  Task<int> operator()() const {
    co_await sleep_for(0s);
    throw std::range_error("unseen");
  }
  Task<int> operator()(const Future<int>&) const { return (*this)(); }
};

namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Task<int> fails_unseen() {
  co_await sleep_for(0s);
  throw std::range_error("unseen");
}

class UnseenExceptions : public OnBothPollers {
 protected:
  void run_iterations(int count = 4) {
    for (int i = 0; i < count; ++i) run_one_iteration();
  }
  void expect_reported(std::size_t times) {
    run_iterations();
    EXPECT_EQ(loop_.stats().unseen_exceptions, times);
    EXPECT_EQ(loop_.stats().callback_exceptions, times);
    ASSERT_EQ(loop_.errors.size(), times);
    for (std::size_t i = 0; i < times; ++i) EXPECT_EQ(loop_.what(i), "unseen");
  }
  // Returns the output to standard error while `f` runs.
  template <class F>
  static std::string written_by(F f) {
    ::testing::internal::CaptureStderr();
    f();
    return ::testing::internal::GetCapturedStderr();
  }
  static int lines_in(const std::string& text) {
    return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  }
  Future<int> ready() {
    Promise<int> promise;
    promise.set_value(1);
    return promise.get_future();
  }

  LoopPool pool_{{.loops = 1, .name = "pool", .loop = options()}};
};
ZMQLOOP_ON_BOTH_POLLERS(UnseenExceptions);

// ---- dropped futures ---------------------------------------------------------------------------

// Failures: L8
TEST_P(UnseenExceptions, OfSubmitAreReportedOnce) {
  loop_.submit(FailsUnseen());
  expect_reported(1);
}

TEST_P(UnseenExceptions, OfSubmittedTasksAndFuturesAreReportedOnce) {
  loop_.submit(FailsUnseenLater());
  expect_reported(1);
  loop_.submit([this] { return loop_.submit(FailsUnseen()); });
  expect_reported(2);
}

// Failures: L8
TEST_P(UnseenExceptions, OfSpawnAreReportedOnce) {
  spawn(loop_, fails_unseen());
  expect_reported(1);
  spawn(loop_, FailsUnseenLater());
  expect_reported(2);
}

TEST_P(UnseenExceptions, OfThenAreReportedOnce) {
  ready().then(loop_, FailsUnseen());
  expect_reported(1);
  ready().then(loop_, FailsUnseenLater());
  expect_reported(2);
}

TEST_P(UnseenExceptions, OfAThenThatFollowsAFailureAreReportedOnceAndByTheLastAlone) {
  loop_.submit(FailsUnseen())
      .then(loop_, [](const Future<int>& failed) { return failed.get(); })
      .then(loop_, [](const Future<int>& failed) { return failed.get(); });
  expect_reported(1);
}

TEST_P(UnseenExceptions, OfRunInExecutorAreReportedOnceByTheLoopThatAsked) {
  loop_.run_in_executor(pool_, FailsUnseen());
  pool_.submit([] {}).get();
  expect_reported(1);
  EXPECT_EQ(pool_.loop(0).stats().unseen_exceptions, 0u);
  EXPECT_EQ(pool_.loop(0).stats().callback_exceptions, 0u);
}

TEST_P(UnseenExceptions, AreReportedWhenTheLastOfManyCopiesGoes) {
  std::optional<Future<int>> first = loop_.submit(FailsUnseen());
  std::optional<Future<int>> second = first;
  run_iterations();
  first.reset();
  expect_reported(0);
  second.reset();
  expect_reported(1);
}

TEST_P(UnseenExceptions, AreReportedOnTheLoopsThreadWhicheverThreadDropsTheFuture) {
  std::optional<Future<int>> future = loop_.submit(FailsUnseen());
  run_iterations();
  std::thread::id reported_on;
  loop_.on_error = [&] { reported_on = std::this_thread::get_id(); };
  on_another_thread([&] { future.reset(); });
  EXPECT_EQ(loop_.stats().unseen_exceptions, 1u) << "counted at once";
  EXPECT_THAT(loop_.errors, IsEmpty()) << "reported by the loop";
  expect_reported(1);
  EXPECT_EQ(reported_on, std::this_thread::get_id());
}

TEST_P(UnseenExceptions, WakeALoopThatSleeps) {
  std::optional<Future<int>> future;
  std::thread third;
  loop_.on_error = [&] { loop_.stop(); };
  loop_.add_callback([&] {
    future = loop_.submit(FailsUnseen());
    loop_.add_callback(
        [&] { third = std::thread([dropped = std::exchange(future, std::nullopt)] {}); });
  });
  loop_.start();
  third.join();
  EXPECT_EQ(loop_.errors.size(), 1u);
}

TEST_P(UnseenExceptions, OfARunSyncWhoseTimeWasUpAreReportedWhenTheyCome) {
  Promise<void> gate;
  EXPECT_THROW(loop_.run_sync(
                   [&]() -> Task<int> {
                     co_await gate.get_future();
                     throw std::range_error("unseen");
                   },
                   0ms),
               TimeoutError);
  EXPECT_EQ(loop_.stats().unseen_exceptions, 0u);
  gate.set_value();
  expect_reported(1);
}

TEST_P(UnseenExceptions, NameTheUsersCallableInTheDefaultReport) {
  LoopThread::Options of_thread;
  of_thread.loop = options("talkative");
  of_thread.name = "talkative";
  LoopThread thread(of_thread);
  IOLoop& loop = thread.loop();
  std::uint64_t reports = 0;
  const auto report_of = [&](auto drop) {
    ++reports;
    return written_by([&] {
      drop();
      while (loop.stats().callback_exceptions < reports) std::this_thread::yield();
      loop.submit([] {}).get();  // runs after the report is written, which is counted first
    });
  };
  const auto names = [](const char* callable) {
    return AllOf(HasSubstr("'talkative'"), HasSubstr(callable), HasSubstr("range_error: unseen"));
  };
  EXPECT_THAT(report_of([&] { loop.submit(FailsUnseen()); }), names("testing::FailsUnseen"));
  EXPECT_THAT(report_of([&] { loop.submit(FailsUnseenLater()); }),
              names("testing::FailsUnseenLater"));
  EXPECT_THAT(report_of([&] { spawn(loop, FailsUnseenLater()); }),
              names("testing::FailsUnseenLater"));
  EXPECT_THAT(report_of([&] { spawn(loop, fails_unseen()); }), names("Task<int>"));
  EXPECT_THAT(report_of([&] { ready().then(loop, FailsUnseen()); }), names("testing::FailsUnseen"));
  EXPECT_THAT(report_of([&] { loop.run_in_executor(pool_, FailsUnseen()); }),
              names("testing::FailsUnseen"));
  EXPECT_EQ(loop.stats().unseen_exceptions, 6u);
}

// ---- those that were seen ----------------------------------------------------------------------

TEST_P(UnseenExceptions, AreNoneOnceAHolderHasLooked) {
  const auto failed = [this] {
    Future<int> future = loop_.submit(FailsUnseen());
    run_iterations();
    return future;
  };
  EXPECT_THROW((void)failed().get(), std::range_error);
  EXPECT_THROW((void)std::as_const(*std::make_unique<Future<int>>(failed())).get(),
               std::range_error);
  EXPECT_NE(failed().exception(), nullptr);
  EXPECT_THROW((void)failed().get_or_copy(), std::range_error);
  loop_.run_sync([&]() -> Task<void> {
    try {
      co_await loop_.submit(FailsUnseen());
    } catch (const std::range_error&) {
    }
    const Future<int> kept = loop_.submit(FailsUnseenLater());
    try {
      co_await kept;
    } catch (const std::range_error&) {
    }
  });
  failed().then(loop_, [](const Future<int>& ready) {
    EXPECT_THROW(ready.get(), std::range_error);
  });
  loop_.add_future(failed(), [](const Future<int>& ready) {
    EXPECT_NE(ready.exception(), nullptr);
  });
  EXPECT_THROW(loop_.run_sync([&] { return loop_.submit(FailsUnseen()); }), std::range_error);
  EXPECT_THROW(loop_.run_sync([] { return fails_unseen(); }), std::range_error);
  EXPECT_THROW(loop_.run_sync([&] { return loop_.run_in_executor(pool_, FailsUnseen()); }),
               std::range_error);
  expect_reported(0);
  EXPECT_EQ(pool_.loop(0).stats().unseen_exceptions, 0u);
}

TEST_P(UnseenExceptions, AreNotSeenByWaitingOrAskingWhetherItIsReady) {
  {
    const Future<int> future = loop_.submit(FailsUnseen());
    run_iterations();
    EXPECT_TRUE(future.wait(0s));
    EXPECT_TRUE(future.is_ready());
    future.on_ready([] {});
  }
  expect_reported(1);
}

TEST_P(UnseenExceptions, ThatAreReturnedToACallbackAreReportedOnceAsItsFailure) {
  loop_.add_callback([this] { return loop_.submit(FailsUnseen()); });
  run_iterations();
  EXPECT_EQ(loop_.errors.size(), 1u);
  EXPECT_EQ(loop_.stats().unseen_exceptions, 0u);
}

TEST_P(UnseenExceptions, OfAUsersOwnPromiseAreTheUsersAffair) {
  {
    Promise<int> promise;
    promise.set_exception(std::make_exception_ptr(std::range_error("own")));
  }
  expect_reported(0);
}

// ---- the library's own -------------------------------------------------------------------------

TEST_P(UnseenExceptions, AreNeverThoseOfClosedLoopsAndBrokenPromises) {
  const std::string written = written_by([&] {
    IOLoop closing(options("closing"));
    closing.submit([] {});
    closing.submit(FailsUnseenLater());
    spawn(closing, []() -> Task<void> { co_await sleep_for(Duration::max()); });
    Promise<int> never;
    never.get_future().then(closing, [](auto&&) {});
    never.get_future().then(closing, FailsUnseenLater());
    loop_.run_in_executor(pool_, [] {});
    closing.add_callback([&] { closing.add_callback([&] { closing.stop(); }); });
    closing.start();
    Promise<int> broken;
    (void)broken.get_future();
    broken = Promise<int>();
    closing.submit([] {});
    spawn(closing, fails_unseen());
    closing.close();
    closing.submit([] {});
    closing.submit(FailsUnseen());
    spawn(closing, fails_unseen());
    never.set_value(1);
  });
  EXPECT_EQ(written.find("LoopClosedError"), std::string::npos) << written;
  EXPECT_EQ(written.find("BrokenPromise"), std::string::npos) << written;
  expect_reported(0);
}

// ---- closed loops ------------------------------------------------------------------------------

TEST_P(UnseenExceptions, OfAClosedLoopAreWrittenOnce) {
  std::optional<IOLoop> closed(std::in_place, options("closed early"));
  std::optional<Future<int>> future = closed->submit(FailsUnseen());
  closed->add_callback([&] { closed->stop(); });
  closed->start();
  closed->close();
  const std::string written = written_by([&] { future.reset(); });
  EXPECT_THAT(written, AllOf(HasSubstr("'closed early'"), HasSubstr("testing::FailsUnseen"),
                             HasSubstr("range_error: unseen")));
  EXPECT_EQ(lines_in(written), 1);
  EXPECT_EQ(closed->stats().unseen_exceptions, 1u);
}

TEST_P(UnseenExceptions, OfADestroyedLoopAreWrittenOnceByTheThreadThatDropsTheFuture) {
  std::optional<Future<int>> future;
  {
    IOLoop gone(options("gone"));
    future = gone.submit(FailsUnseen());
    gone.add_callback([&] { gone.stop(); });
    gone.start();
  }
  const std::string written = written_by([&] { on_another_thread([&] { future.reset(); }); });
  EXPECT_THAT(written, HasSubstr("'gone'"));
  EXPECT_EQ(lines_in(written), 1);
}

TEST_P(UnseenExceptions, ThatWaitInALoopThatClosesAreWrittenOnce) {
  std::optional<IOLoop> closing(std::in_place, options("closing"));
  closing->submit(FailsUnseen());
  closing->add_callback([&] { closing->stop(); });
  const std::string written = written_by([&] {
    closing->start();  // the report is posted after the stop
    closing.reset();
  });
  EXPECT_THAT(written, AllOf(HasSubstr("'closing'"), HasSubstr("range_error: unseen")));
  EXPECT_EQ(lines_in(written), 1);
}

TEST_P(UnseenExceptions, OfAPoolsLoopThatEndsAreWrittenOnce) {
  std::optional<LoopPool> pool(std::in_place,
                               LoopPool::Options{.loops = 1, .name = "ending", .loop = options()});
  std::optional<Future<int>> future = pool->submit(FailsUnseen());
  future->wait();
  pool.reset();
  const std::string written = written_by([&] { future.reset(); });
  EXPECT_THAT(written, HasSubstr("'ending-0'"));
  EXPECT_EQ(lines_in(written), 1);
}

// ---- hooks that throw --------------------------------------------------------------------------

TEST_P(UnseenExceptions, LeaveTheLoopIfItsHookThrowsThem) {
  loop_.escape = true;
  loop_.submit(FailsUnseen());
  int escaped = 0;
  int ran = 0;
  for (int i = 0; i < 4; ++i) {
    loop_.add_callback([&ran] { ++ran; });
    try {
      run_one_iteration();
    } catch (const std::range_error&) {
      ++escaped;
    }
  }
  EXPECT_EQ(escaped, 1);
  EXPECT_EQ(ran, 4);
  EXPECT_EQ(loop_.errors.size(), 1u);
}

// ---- forks -------------------------------------------------------------------------------------

TEST_P(UnseenExceptions, OfTheParentAreNotReportedByAForkedChild) {
  std::optional<Future<int>> future = loop_.submit(FailsUnseen());
  std::optional<Future<int>> of_a_task = spawn(loop_, fails_unseen());
  run_iterations();
  const ChildResult child = run_in_child([&] {
    future.reset();
    of_a_task.reset();
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
  EXPECT_EQ(child.error_output, "");
  expect_reported(0);
  future.reset();
  of_a_task.reset();
  expect_reported(2);
}

TEST_P(UnseenExceptions, ThatWaitInTheParentsLoopAreNotReportedByAForkedChild) {
  ChildResult child;
  std::optional<Future<int>> future = loop_.submit(FailsUnseen());
  run_iterations();
  loop_.add_callback([&] {
    future.reset();  // posts the report, which has not run yet
    child = run_in_child([] { return 0; });
  });
  expect_reported(1);
  EXPECT_TRUE(child.ok()) << child;
  EXPECT_EQ(child.error_output, "");
}

// ---- many at once ------------------------------------------------------------------------------

TEST_P(UnseenExceptions, AreEachReportedOnceIfManyThreadsDropThem) {
  constexpr int kThreads = 4;
  constexpr int kFutures = 500;
  LoopThread::Options of_thread;
  of_thread.loop = options("worker");
  std::uint64_t unseen = 0;
  std::uint64_t reported = 0;
  const std::string written = written_by([&] {
    LoopThread thread(of_thread);
    std::vector<std::thread> droppers;
    for (int i = 0; i < kThreads; ++i) {
      droppers.emplace_back([&loop = thread.loop()] {
        for (int j = 0; j < kFutures; ++j) {
          const Future<int> future = loop.submit(FailsUnseen());
          if (j % 2 == 0) future.wait();
          if (j % 5 == 0) (void)future.wait(), (void)future.exception();
        }
      });
    }
    for (std::thread& each : droppers) each.join();
    for (int i = 0; i < 4; ++i) thread.loop().submit([] {}).get();
    unseen = thread.loop().stats().unseen_exceptions;
    reported = thread.loop().stats().callback_exceptions;
  });
  EXPECT_EQ(unseen, static_cast<std::uint64_t>(kThreads * kFutures * 4 / 5));
  EXPECT_EQ(reported, unseen);
  EXPECT_EQ(static_cast<std::uint64_t>(lines_in(written)), unseen);
}

}  // namespace
}  // namespace zmqloop::testing
