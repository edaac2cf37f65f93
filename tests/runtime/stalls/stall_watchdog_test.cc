// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Stalls of real loops. A callable that should be reported blocks until its report arrives, so that
// no test depends on speed. To prove that no report comes, a second loop gets reports meanwhile.

#include "zmqloop/runtime/stalls/stall_watchdog.h"

#include <atomic>
#include <chrono>
#include <limits>
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
#include "tests/support/process_facts.h"
#include "tests/support/stall_reports.h"
#include "tests/support/zmq_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_thread.h"
#include "zmqloop/threading/host/thread_label.h"

static void set_signal_blocked(bool blocked) {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGURG);
  ::pthread_sigmask(blocked ? SIG_BLOCK : SIG_UNBLOCK, &signals, nullptr);
}

// A function to be found in stacks. A busy machine may take the core away just before it begins,
// for longer than a threshold. If that matters, the thread blocks the signal that asks for its
// stack until here.
extern "C" __attribute__((noinline)) void zmqloop_test_blocks_until(
    const std::atomic<std::size_t>& count, std::size_t wanted) {
  set_signal_blocked(false);
  while (count < wanted) {
  }
}

namespace zmqloop::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kThreshold = 20ms;

// Waits, because a thread gets its name a moment after its start, and is still listed for a moment
// after its end.
bool watchdog_threads_are(std::size_t count) {
  return eventually([count] { return thread_names().count("zmqloop-stalls") == count; });
}

bool blocks_signal() {
  sigset_t mask;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  return ::sigismember(&mask, SIGURG) == 1;
}

class StallTest : public OnBothPollers {
 protected:
  void enable() { loop_.set_blocking_signal_threshold(kThreshold, reports_.action()); }

  // Blocks until one more stall is reported. A class, so that its type has a name to look for.
  struct BlocksUntilReported {
    const StallReports& reports;
    void operator()() const { reports.wait_until_begun(reports.begun() + 1); }
  };
  BlocksUntilReported blocks_until_reported() const { return {reports_}; }

  void run_callbacks_posted() {
    loop_.add_callback([this] { loop_.stop(); });
    loop_.start();
  }
  // Ends the watching of this loop: after that no more reports come.
  std::vector<StallReport> final_reports() {
    loop_.set_blocking_signal_threshold(std::nullopt);
    return reports_.all();
  }

  // Otherwise we would miss exceptions of callbacks.
  void TearDown() override { EXPECT_EQ(loop_.errors.size(), expected_errors_); }

  StallReports reports_;
  std::size_t expected_errors_ = 0;
};
ZMQLOOP_ON_BOTH_POLLERS(StallTest);

// ---- reports ---------------------------------------------------------------------------------

TEST_P(StallTest, IsReportedOnceWhileItBlocksAndOnceWhenItHasEnded) {
  ControlLoop control(kThreshold);
  enable();
  loop_.add_callback([&] {
    reports_.wait_until_begun(1);
    control.let_two_thresholds_pass();
    EXPECT_EQ(reports_.all().size(), 1u);
  });
  run_callbacks_posted();
  const std::vector<StallReport> reports = final_reports();
  ASSERT_EQ(reports.size(), 2u);
  EXPECT_FALSE(reports[0].ended);
  EXPECT_TRUE(reports[1].ended);
  EXPECT_GE(reports[0].blocked_for, kThreshold);
  EXPECT_GE(reports[1].blocked_for, reports[0].blocked_for + 2 * kThreshold);
  for (const StallReport& report : reports) {
    EXPECT_EQ(report.loop_name, "tested");
    EXPECT_EQ(report.thread_id, current_thread_id());
    EXPECT_THAT(report.callable, HasSubstr("IsReportedOnceWhileItBlocks"));
    EXPECT_EQ(report.suppressed, 0u);
    EXPECT_TRUE(stack_names(report, "zmqloop::IOLoop::start()")) << report.stack.text();
  }
}

TEST_P(StallTest, ShowsTheBlockingFunction) {
  std::atomic<std::size_t> reported{0};
  std::vector<StallReport> reports;
  loop_.add_callback([&] {
    loop_.set_blocking_signal_threshold(kThreshold, [&](const StallReport& report) {
      reports.push_back(report);
      ++reported;
    });
    set_signal_blocked(true);
  });
  loop_.add_callback([&] { zmqloop_test_blocks_until(reported, 1); });
  run_callbacks_posted();
  loop_.set_blocking_signal_threshold(std::nullopt);
  ASSERT_EQ(reports.size(), 2u);
  EXPECT_TRUE(stack_names(reports[0], "zmqloop_test_blocks_until")) << reports[0].text();
  EXPECT_TRUE(stack_names(reports[0], "zmqloop::IOLoop::start()")) << reports[0].text();
}

TEST_P(StallTest, IsFoundOnTwoLoopsAtOnce) {
  std::atomic<std::size_t> begun{0};
  StallReports reports_of[2];
  {
    LoopThread threads[2];
    for (int i = 0; i < 2; ++i) {
      IOLoop& loop = threads[i].loop();
      StallReports& reports = reports_of[i];
      loop.submit([&] {
            loop.set_blocking_signal_threshold(kThreshold, [&](const StallReport& report) {
              reports.add(report);
              if (!report.ended) ++begun;
            });
            set_signal_blocked(true);
          })
          .get();
    }
    for (LoopThread& thread : threads) {
      thread.loop().add_callback([&] { zmqloop_test_blocks_until(begun, 2); });
    }
    for (StallReports& reports : reports_of) reports.wait_until_ended(1);
  }
  for (const StallReports& reports : reports_of) {
    ASSERT_EQ(reports.all().size(), 2u);
    EXPECT_TRUE(stack_names(reports.all()[0], "zmqloop_test_blocks_until"));
  }
}

TEST_P(StallTest, IsFoundInTheVeryFirstIteration) {
  enable();
  loop_.add_callback([&, blocks = blocks_until_reported()]() mutable {
    blocks();
    EXPECT_EQ(loop_.stats().iterations, 1u);
    loop_.stop();
  });
  loop_.start();
  EXPECT_EQ(final_reports().size(), 2u);
}

TEST_P(StallTest, IsMeasuredForEachCallbackNotForTheIteration) {
  enable();
  TimePoint second_began;
  TimePoint third_began;
  loop_.add_callback(blocks_until_reported());
  loop_.add_callback([&] { second_began = Clock::now(); });
  loop_.add_callback(blocks_until_reported());
  loop_.add_callback([&] { third_began = Clock::now(); });
  run_callbacks_posted();
  const std::vector<StallReport> reports = final_reports();
  ASSERT_EQ(reports.size(), 4u);
  EXPECT_TRUE(reports[3].ended);
  EXPECT_LE(reports[3].blocked_for, third_began - second_began);
}

TEST_P(StallTest, EndsWithAnExceptionToo) {
  enable();
  loop_.add_callback([&] {
    reports_.wait_until_begun(1);
    throw std::runtime_error("out of the stall");
  });
  run_callbacks_posted();
  expected_errors_ = 1;
  const std::vector<StallReport> reports = final_reports();
  ASSERT_EQ(reports.size(), 2u);
  EXPECT_TRUE(reports[1].ended);
}

TEST_P(StallTest, IsFoundInATimer) {
  enable();
  TimeoutHandle cancelled;
  loop_.add_timeout(0s, [&] { loop_.remove_timeout(cancelled); });
  cancelled = loop_.add_timeout(0s, [] {});
  loop_.add_timeout(0s, blocks_until_reported());
  loop_.add_timeout(0s, [&] { loop_.stop(); });
  loop_.start();
  EXPECT_EQ(loop_.stats().timers_fired, 3u);
  const std::vector<StallReport> reports = final_reports();
  ASSERT_EQ(reports.size(), 2u);
  EXPECT_THAT(reports[0].callable, HasSubstr("BlocksUntilReported"));
}

TEST_P(StallTest, IsFoundInATimerThatThrows) {
  enable();
  loop_.add_timeout(0s, [&] {
    reports_.wait_until_begun(1);
    throw std::runtime_error("late");
  });
  loop_.add_timeout(0s, [&] { loop_.stop(); });
  loop_.start();
  EXPECT_EQ(final_reports().size(), 2u);
  EXPECT_EQ(loop_.what(0), "late");
  expected_errors_ = 1;
}

TEST_P(StallTest, IsFoundInAHandler) {
  struct HandlerThatBlocks {
    const StallReports& reports;
    IOLoop& loop;
    void operator()() const {
      reports.wait_until_begun(1);
      loop.stop();
    }
  };
  const OwnedFd event = make_event(true);
  enable();
  loop_.add_handler(event.get(), HandlerThatBlocks{reports_, loop_}, Events::kRead);
  loop_.start();
  loop_.remove_handler(event.get());
  const std::vector<StallReport> reports = final_reports();
  ASSERT_EQ(reports.size(), 2u);
  EXPECT_THAT(reports[0].callable, HasSubstr("HandlerThatBlocks"));
}

TEST_P(StallTest, IsFoundInAHandlerOfASocket) {
  zmq::context_t context;
  SocketPair pair(context, zmq::socket_type::pair, zmq::socket_type::pair);
  pair.far.send(zmq::str_buffer("ready"));
  enable();
  loop_.add_handler(
      pair.near,
      [&] {
        reports_.wait_until_begun(1);
        loop_.stop();
      },
      Events::kRead);
  loop_.start();
  loop_.remove_handler(pair.near);
  EXPECT_EQ(final_reports().size(), 2u);
}

TEST_P(StallTest, IsFoundInWhatASignalPosted) {
  enable();
  StallReports* const reports = &reports_;
  loop_.add_callback_from_signal([reports] { reports->wait_until_begun(1); });
  run_callbacks_posted();
  EXPECT_EQ(final_reports().size(), 2u);
}

TEST_P(StallTest, IsReportedAgainWhenItComesAgain) {
  enable();
  for (int i = 0; i < 3; ++i) loop_.add_callback(blocks_until_reported());
  run_callbacks_posted();
  run_callbacks_posted();
  loop_.add_callback(blocks_until_reported());
  run_callbacks_posted();
  EXPECT_EQ(final_reports().size(), 8u);
}

// ---- the stack of threads that block signals -------------------------------------------------

TEST_P(StallTest, HasNoStackOfAThreadThatBlocksTheSignalAndSaysSo) {
  enable();
  loop_.add_callback([&] {
    set_signal_blocked(true);
    reports_.wait_until_begun(1);
    set_signal_blocked(false);
  });
  loop_.add_callback(blocks_until_reported());
  run_callbacks_posted();
  const std::vector<StallReport> reports = final_reports();
  ASSERT_EQ(reports.size(), 4u);
  EXPECT_TRUE(reports[0].stack.empty());
  EXPECT_THAT(reports[0].text(), HasSubstr("no stack: its thread blocks SIGURG"));
  EXPECT_FALSE(reports[2].stack.empty()) << reports[2].text();
}

TEST_P(StallTest, HasTheStackOfALoopThreadWhichBlocksSignalsElse) {
  LoopThread thread({.loop = {.block_signals = true}});
  IOLoop& loop = thread.loop();
  loop.submit([&] {
        EXPECT_TRUE(blocks_signal());
        loop.set_blocking_signal_threshold(kThreshold, reports_.action());
        EXPECT_FALSE(blocks_signal());
      })
      .get();
  loop.submit(blocks_until_reported()).get();
  EXPECT_TRUE(stack_names(reports_.all()[0], "LoopThread::run")) << reports_.all()[0].text();
}

TEST_P(StallTest, LeavesTheSignalMaskOfTheThreadAsItWas) {
  std::thread thread([&] {
    set_signal_blocked(true);
    enable();
    EXPECT_TRUE(blocks_signal());
    loop_.add_callback([&] { EXPECT_FALSE(blocks_signal()); });
    loop_.add_callback(blocks_until_reported());
    run_callbacks_posted();
    EXPECT_TRUE(blocks_signal());
    loop_.set_blocking_signal_threshold(std::nullopt);
    loop_.add_callback([&] { EXPECT_TRUE(blocks_signal()) << "no threshold, no need"; });
    run_callbacks_posted();
    loop_.add_callback([&] { enable(); });
    run_callbacks_posted();
    EXPECT_TRUE(blocks_signal());
  });
  thread.join();
  EXPECT_FALSE(reports_.all()[0].stack.empty()) << reports_.all()[0].text();
}

// ---- thresholds ------------------------------------------------------------------------------

TEST_P(StallTest, NeedsAThresholdAboveZero) {
  using Seconds = std::chrono::duration<double>;
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const auto set = [&](TimeLimit threshold) { loop_.set_blocking_signal_threshold(threshold); };
  EXPECT_THAT(error_of<std::invalid_argument>([&] { set(0s); }),
              AllOf(HasSubstr("IOLoop::set_blocking_signal_threshold"), HasSubstr("'tested'"),
                    HasSubstr("0 ns"), HasSubstr("empty to disable")));
  EXPECT_THAT(error_of<std::invalid_argument>([&] { set(-5us); }), HasSubstr("-5000 ns"));
  EXPECT_THAT(error_of<std::invalid_argument>([&] { set(Seconds(kNan)); }), HasSubstr("NaN"));
  EXPECT_THAT(error_of<std::invalid_argument>([&] { set(std::optional(Seconds(kNan))); }),
              HasSubstr("NaN"));
  EXPECT_THROW(loop_.set_blocking_log_threshold(0s), std::invalid_argument);
  EXPECT_TRUE(watchdog_threads_are(0));
}

TEST_P(StallTest, KeepsItsThresholdWhenABadOneIsRefused) {
  enable();
  EXPECT_THROW(loop_.set_blocking_signal_threshold(-1s), std::invalid_argument);
  EXPECT_THROW(loop_.set_blocking_signal_threshold(1s, nullptr), std::invalid_argument);
  loop_.add_callback(blocks_until_reported());
  run_callbacks_posted();
  EXPECT_EQ(final_reports().size(), 2u);
}

TEST_P(StallTest, NeedsAnActionUnlessItIsDisabled) {
  EXPECT_THAT(error_of<std::invalid_argument>(
                  [&] { loop_.set_blocking_signal_threshold(1s, StallAction()); }),
              HasSubstr("null"));
  loop_.set_blocking_signal_threshold(std::nullopt, nullptr);
}

TEST_P(StallTest, IsNotLookedForWithAThresholdOfNever) {
  for (const TimeLimit never :
       {TimeLimit(Duration::max()), TimeLimit(std::chrono::duration<double>(1e300)),
        TimeLimit(std::nullopt), TimeLimit()}) {
    enable();
    EXPECT_TRUE(watchdog_threads_are(1));
    loop_.set_blocking_signal_threshold(never);
    EXPECT_TRUE(watchdog_threads_are(0));
  }
}

TEST_P(StallTest, IsNotReportedByALoopWithoutAThreshold) {
  ControlLoop control(kThreshold);
  enable();
  loop_.set_blocking_signal_threshold(std::nullopt);
  loop_.add_callback([&] { control.let_two_thresholds_pass(); });
  run_callbacks_posted();
  EXPECT_TRUE(reports_.all().empty());
}

TEST_P(StallTest, IsNotReportedAnyMoreOnceItDisablesItself) {
  ControlLoop control(kThreshold);
  enable();
  loop_.add_callback([&] {
    loop_.set_blocking_signal_threshold(std::nullopt);
    control.let_two_thresholds_pass();
  });
  run_callbacks_posted();
  EXPECT_TRUE(reports_.all().empty());
}

TEST_P(StallTest, HasNoReportOfItsEndOnceItDisablesItself) {
  ControlLoop control(kThreshold);
  enable();
  loop_.add_callback([&] {
    reports_.wait_until_begun(1);
    loop_.set_blocking_signal_threshold(std::nullopt);
  });
  loop_.add_callback([&] { control.let_two_thresholds_pass(); });
  run_callbacks_posted();
  EXPECT_EQ(reports_.all().size(), 1u);
}

TEST_P(StallTest, IsFoundInTheCallbackAfterTheOneThatSetAThreshold) {
  ControlLoop control(kThreshold);
  loop_.add_callback([&] {
    enable();
    control.let_two_thresholds_pass();
    EXPECT_TRUE(reports_.all().empty());
  });
  loop_.add_callback(blocks_until_reported());
  run_callbacks_posted();
  const std::vector<StallReport> reports = final_reports();
  ASSERT_EQ(reports.size(), 2u);
  EXPECT_THAT(reports[0].callable, HasSubstr("BlocksUntilReported"));
  EXPECT_FALSE(reports[0].stack.empty()) << reports[0].text();
}

TEST_P(StallTest, IsMeasuredByTheThresholdItSetsIfThereWasOneBefore) {
  StallReports later;
  loop_.set_blocking_signal_threshold(1h, reports_.action());
  loop_.add_callback([&] {
    loop_.set_blocking_signal_threshold(kThreshold, later.action());
    later.wait_until_begun(1);
  });
  run_callbacks_posted();
  loop_.set_blocking_signal_threshold(std::nullopt);
  EXPECT_EQ(later.all().size(), 2u);
  EXPECT_TRUE(reports_.all().empty());
}

TEST_P(StallTest, HasItsEndReportedToTheActionItSets) {
  StallReports later;
  enable();
  loop_.add_callback([&] {
    reports_.wait_until_begun(1);
    loop_.set_blocking_signal_threshold(kThreshold, later.action());
  });
  run_callbacks_posted();
  loop_.set_blocking_signal_threshold(std::nullopt);
  EXPECT_EQ(reports_.all().size(), 1u);
  ASSERT_EQ(later.all().size(), 1u);
  EXPECT_TRUE(later.all()[0].ended);
}

TEST_P(StallTest, IsNotReportedBeyondTheLimit) {
  ControlLoop control(kThreshold);
  IOLoop::Options limited = options("limited");
  limited.stall_reports_per_minute = 2;
  RecordingLoop loop(limited);
  loop.set_blocking_signal_threshold(kThreshold, reports_.action());
  for (int i = 0; i < 2; ++i) loop.add_callback(blocks_until_reported());
  for (int i = 0; i < 2; ++i) loop.add_callback([&] { control.let_two_thresholds_pass(); });
  loop.add_callback([&] { loop.stop(); });
  loop.start();
  loop.close();
  EXPECT_EQ(reports_.begun(), 2u);
  EXPECT_EQ(reports_.ended(), 2u);
  EXPECT_TRUE(loop.errors.empty());
}

// ---- actions ---------------------------------------------------------------------------------

TEST_P(StallTest, WritesToStandardErrorWhatAnActionThrows) {
  ::testing::internal::CaptureStderr();
  loop_.set_blocking_signal_threshold(kThreshold, [&](const StallReport& report) {
    reports_.add(report);
    if (report.ended) throw 42;
    throw std::runtime_error("action failed");
  });
  loop_.add_callback(blocks_until_reported());
  loop_.add_callback(blocks_until_reported());
  run_callbacks_posted();
  EXPECT_EQ(final_reports().size(), 4u);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("loop 'tested': exception in reporting a stall: "
                              "std::runtime_error: action failed\n"),
                    HasSubstr("reporting a stall: int: not a std::exception\n")));
}

TEST_P(StallTest, IsLoggedWithItsStackAndThenWithItsLength) {
  ::testing::internal::CaptureStderr();
  loop_.set_blocking_signal_threshold(kThreshold, [&](const StallReport& report) {
    IOLoop::log_stack(report);
    reports_.add(report);
  });
  loop_.add_callback(blocks_until_reported());
  run_callbacks_posted();
  loop_.set_blocking_signal_threshold(std::nullopt);
  const std::string who =
      "zmqloop: loop 'tested' \\(thread " + std::to_string(current_thread_id()) + "\\) ";
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              AllOf(ContainsRegex(who + "has been blocked for [0-9.]+ ms by .*BlocksUntilReported\n"
                                        "    #00 0x[0-9a-f]+ .*\n"),
                    ContainsRegex("    #[0-9]+ 0x[0-9a-f]+ zmqloop::IOLoop::start\\(\\)\n"),
                    ContainsRegex(who + "was blocked for [0-9.]+ ms by .*BlocksUntilReported\n")));
}

TEST_P(StallTest, IsLoggedIfOnlyAThresholdForTheLogIsSet) {
  ControlLoop control(kThreshold);
  ::testing::internal::CaptureStderr();
  loop_.set_blocking_log_threshold(kThreshold);
  loop_.add_callback([&] { control.let_two_thresholds_pass(); });
  run_callbacks_posted();
  loop_.set_blocking_log_threshold(std::nullopt);
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("loop 'tested'"));
  EXPECT_THAT(log, HasSubstr("StallReports::wait_until"));
  EXPECT_TRUE(watchdog_threads_are(1)) << "the control loop's";
}

TEST_P(StallTest, MayBeDisabledByItsActionThroughAPost) {
  ControlLoop control(kThreshold);
  loop_.set_blocking_signal_threshold(kThreshold, [&](const StallReport& report) {
    loop_.add_callback([&] {
      loop_.set_blocking_signal_threshold(std::nullopt);
      loop_.add_callback([&] {
        control.let_two_thresholds_pass();
        loop_.stop();
      });
    });
    reports_.add(report);
  });
  loop_.add_callback(blocks_until_reported());
  loop_.start();
  EXPECT_EQ(reports_.begun(), 1u);
  EXPECT_EQ(reports_.ended(), 1u);
}

TEST_P(StallTest, DoesNotEndItsActionsOwnLoop) {
  // The action for the end of a stall closes the loop, on the watchdog's thread, once the run has
  // ended.
  std::atomic<bool> run_has_ended{false};
  std::atomic<bool> closed{false};
  loop_.set_blocking_signal_threshold(kThreshold, [&](const StallReport& report) {
    reports_.add(report);
    if (!report.ended) return;
    run_has_ended.wait(false);
    loop_.close();
    closed = true;
    closed.notify_all();
  });
  loop_.add_callback(blocks_until_reported());
  run_callbacks_posted();
  run_has_ended = true;
  run_has_ended.notify_all();
  closed.wait(false);
  EXPECT_TRUE(loop_.is_closed());
  EXPECT_TRUE(watchdog_threads_are(0));

  const ControlLoop other(kThreshold);  // a new watchdog thread starts for it
  EXPECT_TRUE(watchdog_threads_are(1));
}

TEST_P(StallTest, WaitsForARunningActionWhenItIsDisabled) {
  std::atomic<bool> disabling{false};
  std::atomic<bool> action_returned{false};
  loop_.set_blocking_signal_threshold(kThreshold, [&](const StallReport& report) {
    reports_.add(report);
    if (!report.ended) return;
    disabling.wait(false);
    for (int i = 0; i < 1'000; ++i) ::sched_yield();
    action_returned = true;
  });
  loop_.add_callback(blocks_until_reported());
  loop_.add_callback([&] {
    disabling = true;
    disabling.notify_all();
    loop_.set_blocking_signal_threshold(std::nullopt);
    EXPECT_TRUE(action_returned);
  });
  run_callbacks_posted();
}

TEST_P(StallTest, DestroysAnActionWhenItIsReplacedOrTheLoopIsClosed) {
  std::weak_ptr<int> kept;
  const auto action = [&] {
    auto payload = std::make_shared<int>(1);
    kept = payload;
    return [payload](const StallReport&) {};
  };
  loop_.set_blocking_signal_threshold(kThreshold, action());
  const std::weak_ptr<int> first = kept;
  loop_.set_blocking_signal_threshold(kThreshold, action());
  EXPECT_TRUE(first.expired());
  EXPECT_FALSE(kept.expired());
  loop_.close();
  EXPECT_TRUE(kept.expired());
}

// ---- the watchdog's thread -------------------------------------------------------------------

TEST_P(StallTest, HasOneThreadForAllLoopsAsLongAsOneIsWatched) {
  EXPECT_TRUE(watchdog_threads_are(0));
  {
    IOLoop other(options("other"));
    other.set_blocking_log_threshold(1h);
    enable();
    EXPECT_TRUE(watchdog_threads_are(1));
    loop_.set_blocking_signal_threshold(std::nullopt);
    EXPECT_TRUE(watchdog_threads_are(1));
    enable();
    loop_.close();
    EXPECT_TRUE(watchdog_threads_are(1));
  }
  EXPECT_TRUE(watchdog_threads_are(0)) << "a loop that is destroyed is not watched any more";
}

// Needs real time, because it must see that the thread does nothing for a while.
TEST_P(StallTest, DoesNotWakeItsThreadForLoopsThatDoNothing) {
  LoopThread thread;
  thread.loop().submit([&] { thread.loop().set_blocking_log_threshold(1ms); }).get();
  ASSERT_TRUE(watchdog_threads_are(1));
  pid_t watchdog = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    const pid_t id = std::stoi(task.path().filename());
    if (thread_status(id, "Name") == "zmqloop-stalls") watchdog = id;
  }
  const auto switches = [&] { return thread_status(watchdog, "voluntary_ctxt_switches"); };
  std::string before;
  EXPECT_TRUE(eventually([&] {
    before = switches();
    loop_.add_timeout(100ms, [&] { loop_.stop(); });
    loop_.start();
    return switches() == before;
  })) << "it never slept for as long as 100 ms";
  EXPECT_NE(before, "");
}

// ---- wrong uses ------------------------------------------------------------------------------

TEST_P(StallTest, IsSetOnTheLoopsThread) {
  std::thread other;
  loop_.add_callback([&] {
    other = std::thread([&] {
      EXPECT_THAT(error_of<std::logic_error>([&] { enable(); }),
                  HasSubstr("IOLoop::set_blocking_signal_threshold"));
      EXPECT_THROW(loop_.set_blocking_signal_threshold(std::nullopt), std::logic_error);
      loop_.stop();
    });
  });
  loop_.start();
  other.join();
  EXPECT_TRUE(watchdog_threads_are(0));
}

TEST_P(StallTest, CannotBeSetOnAClosedLoopButDisabled) {
  loop_.close();
  EXPECT_THROW(enable(), LoopClosedError);
  loop_.set_blocking_signal_threshold(std::nullopt);
}

// ---- fork ------------------------------------------------------------------------------------

#if !defined(__SANITIZE_THREAD__)  // it takes threads of a child for those of the parent
TEST_P(StallTest, HasAWatchdogOfItsOwnInAForkedChild) {
  enable();
  loop_.add_callback([&] {
    reports_.wait_until_begun(1);
    const ChildResult child = run_in_child([&] {
      ZMQLOOP_CHILD_EXPECT(watchdog_threads_are(0));
      ZMQLOOP_CHILD_EXPECT_THROW(enable(), std::logic_error);
      ZMQLOOP_CHILD_EXPECT_THROW(loop_.set_blocking_signal_threshold(std::nullopt),
                                 std::logic_error);
      std::thread([] {
        IOLoop loop(options("child's"));
        StallReports reports;
        loop.set_blocking_signal_threshold(kThreshold, reports.action());
        loop.add_callback([&] { reports.wait_until_begun(1); });
        loop.add_callback([&] { loop.stop(); });
        loop.start();
        loop.close();
        if (reports.all().size() != 2 || reports.all()[0].stack.empty()) ::_exit(3);
      }).join();
      ZMQLOOP_CHILD_EXPECT(watchdog_threads_are(0));
      return 0;
    });
    EXPECT_TRUE(child.ok()) << child << ": 3 no report of the child's loop, or no stack";
  });
  loop_.add_callback(blocks_until_reported());
  run_callbacks_posted();
  EXPECT_EQ(final_reports().size(), 4u) << "the parent's watchdog goes on";
}
#endif

TEST_P(StallTest, IsNoConcernOfAChildForkedInTheMiddleOfIt) {
  enable();
  std::optional<ChildResult> child;
  loop_.add_callback([&] {
    reports_.wait_until_begun(1);
    child = run_in_child([] { return 0; });
    const pid_t forked = fork_at_rest();
    if (forked == 0) {
      ::signal(SIGALRM, SIG_DFL);
      ::alarm(60);
      return;  // the child leaves the callback, and the loop
    }
    int status = 0;
    EXPECT_EQ(::waitpid(forked, &status, 0), forked);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7);
  });
  loop_.add_callback([&] { loop_.stop(); });
  const pid_t parent = ::getpid();
  try {
    loop_.start();
  } catch (const std::logic_error&) {
    ::_exit(7);
  }
  ASSERT_EQ(::getpid(), parent);
  EXPECT_TRUE(child->ok());
  EXPECT_EQ(final_reports().size(), 2u);
}

}  // namespace
}  // namespace zmqloop::testing
