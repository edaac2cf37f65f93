// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The result of a callable is never dropped unseen. One suite for all places that call a callable
// and ignore its result.

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/support/entry_points.h"
#include "tests/support/loop_watchdog.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_thread.h"

namespace zmqloop::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct GoesElsewhere {
  Script* script;
  IOLoop* other;
  GoesElsewhere trivial() const { return *this; }
  template <class... A>
  Task<void> operator()(const A&...) {
    Script& its = *script;
    IOLoop& there = *other;
    its.begin();
    co_await there.schedule();
    EXPECT_TRUE(there.in_loop_thread());
    its.go_on(Lives::kNobody);
  }
};

// Moves to another loop and never comes back.
template <class G>
class StaysElsewhere {
 public:
  StaysElsewhere(Script& script, IOLoop& other)
      : script_(&script), other_(&other), guard_(script.callables) {}
  StaysElsewhere<NoGuard> trivial() const { return {*script_, *other_}; }
  template <class... A>
  Task<void> operator()(const A&...) {
    const Guard frame(script_->frames);
    script_->begin();
    co_await other_->schedule();
    co_await sleep_for(Duration::max());
  }

 private:
  Script* script_;
  IOLoop* other_;
  [[no_unique_address]] G guard_;
};

class AtEntries : public ::testing::TestWithParam<Where> {
 protected:
  static Entry entry() { return std::get<Entry>(GetParam()); }
  // Returns whether the callable's lifetime can be watched: callables for signals are trivially
  // copyable, so theirs cannot.
  static bool is_watched() { return entry() != Entry::kCallbackFromSignal; }

  // Gives a callable and makes the loop call it.
  template <class F>
  void give(F f) {
    stage_.turn_after([&] { stage_.give(std::move(f), script_); });
  }
  void give_task(Pause pause) {
    script_.pause = pause;
    give(ReturnsTask<Guard>(script_));
  }
  void give_future() { give(ReturnsFuture<Guard>(script_)); }

  // Runs `f` on another thread, then lets the loop handle the consequences.
  template <class F>
  void elsewhere(F f) {
    stage_.turn_after([&] { on_another_thread(f); });
  }
  void open_gate() {
    elsewhere([this] { script_.gate.set_value(); });
  }
  void set_answer() {
    elsewhere([this] { script_.answer.set_value(std::make_unique<int>(42)); });
  }
  void set_failure() {
    elsewhere([this] {
      script_.answer.set_exception(std::make_exception_ptr(std::range_error("went wrong")));
    });
  }

  // Withdraws a callable that would be called again; if it is an option of the loop, ends the loop.
  void let_go_of_the_callable() {
    stage_.withdraw();
    if (entry() == Entry::kOnHighWater) stage_.end();
  }

  void expect_one_report(const std::string& callable, const std::string& exception) {
    EXPECT_THAT(stage_.reports(),
                ElementsAre(AllOf(HasSubstr("'staged"), HasSubstr(callable), HasSubstr(exception))));
    EXPECT_EQ(stage_.loop().stats().callback_exceptions, 1u);
    EXPECT_EQ(stage_.loop().stats().unseen_exceptions, 0u);
  }

  const LoopWatchdog watchdog_;
  Script script_;
  Stage stage_{entry(), std::get<PollerKind>(GetParam())};
};

using ReturnedResults = AtEntries;
ZMQLOOP_AT_ENTRIES(ReturnedResults, [](Entry) { return true; });

// ---- they are run to their end -----------------------------------------------------------------

TEST_P(ReturnedResults, ATaskThatNeverSuspendsRunsToItsEndInTheCall) {
  give_task(Pause::kNone);
  EXPECT_EQ(script_.ended, 1);
  EXPECT_EQ(script_.ended_on.load(), stage_.loop_thread());
  EXPECT_EQ(script_.frames.count(), 0);
  EXPECT_THAT(stage_.reports(), IsEmpty());
}

// Failures: D12
TEST_P(ReturnedResults, ATaskThatSleepsRunsToItsEndOnItsLoop) {
  give_task(Pause::kSleep);
  stage_.pass(kNap - 1ns);
  EXPECT_EQ(script_.begun, 1);
  EXPECT_EQ(script_.ended, 0);
  stage_.pass(1ns);
  EXPECT_EQ(script_.ended, 1);
  EXPECT_EQ(script_.ended_on.load(), stage_.loop_thread());
  EXPECT_EQ(script_.frames.count(), 0);
  EXPECT_FALSE(script_.frames.ended_twice());
  EXPECT_THAT(stage_.reports(), IsEmpty());
}

TEST_P(ReturnedResults, ATaskThatAwaitsAnotherThreadGoesOnOnItsLoop) {
  give_task(Pause::kFuture);
  EXPECT_EQ(script_.begun, 1);
  EXPECT_EQ(script_.ended, 0);
  open_gate();
  EXPECT_EQ(script_.ended, 1);
  EXPECT_EQ(script_.ended_on.load(), stage_.loop_thread());
  EXPECT_EQ(script_.frames.count(), 0);
}

TEST_P(ReturnedResults, ATaskThatEndsOnAnotherLoopIsReportedOnItsOwn) {
  LoopThread other("other");
  script_.fails = true;
  give(GoesElsewhere{&script_, &other.loop()});
  stage_.turn_after([&] { other.loop().submit([] {}).get(); });
  EXPECT_EQ(other.loop().stats().callback_exceptions, 0u);
  expect_one_report("GoesElsewhere", "went wrong");
}

// ---- the callable lives until then -------------------------------------------------------------

TEST_P(ReturnedResults, KeepTheCallableUntilTheTaskHasEndedAndNoLonger) {
  if (!is_watched()) return;
  give_task(Pause::kFuture);
  stage_.withdraw();
  EXPECT_GT(script_.callables.count(), 0);
  open_gate();
  EXPECT_EQ(script_.ended, 1);
  EXPECT_FALSE(script_.lost_its_captures);
  let_go_of_the_callable();
  EXPECT_EQ(script_.callables.count(), 0);
  EXPECT_FALSE(script_.callables.ended_twice());
}

TEST_P(ReturnedResults, KeepTheCallableWhileTheTaskSleeps) {
  if (!is_watched()) return;
  give_task(Pause::kSleep);
  stage_.withdraw();
  stage_.pass(kNap);
  EXPECT_EQ(script_.ended, 1);
  EXPECT_FALSE(script_.lost_its_captures);
  let_go_of_the_callable();
  EXPECT_EQ(script_.callables.count(), 0);
}

TEST_P(ReturnedResults, KeepTheCallableUntilTheFutureIsReady) {
  if (!is_watched()) return;
  give_future();
  stage_.withdraw();
  EXPECT_EQ(script_.begun, 1);
  EXPECT_GT(script_.callables.count(), 0);
  set_answer();
  let_go_of_the_callable();
  EXPECT_EQ(script_.callables.count(), 0);
  EXPECT_THAT(stage_.reports(), IsEmpty());
}

TEST_P(ReturnedResults, DestroyTheCallableOnTheLoopThread) {
  if (!is_watched()) return;
  give_task(Pause::kFuture);
  stage_.withdraw();
  open_gate();
  let_go_of_the_callable();
  ASSERT_EQ(script_.callables.count(), 0);
  EXPECT_EQ(script_.frames.last_end(), script_.ended_on.load());
  EXPECT_EQ(script_.callables.last_end(), script_.ended_on.load());
}

TEST_P(ReturnedResults, HaveDestroyedTheFrameWhenTheFailureIsReported) {
  if (is_of_pool(entry())) return;
  script_.fails = true;
  script_.pause = Pause::kSleep;
  stage_.give(ReturnsTask<Guard>(script_), script_);
  int frames_then = -1;
  stage_.own_loop().on_exception = [&] { frames_then = script_.frames.count(); };
  stage_.turn();
  stage_.pass(kNap);
  EXPECT_EQ(frames_then, 0);
}

// ---- futures -----------------------------------------------------------------------------------

TEST_P(ReturnedResults, LeaveTheValueOfAFutureToItsOtherHolders) {
  const Future<std::unique_ptr<int>> other = script_.answer.get_future();
  give_future();
  set_answer();
  EXPECT_EQ(*other.get(), 42);
  EXPECT_THAT(stage_.reports(), IsEmpty());
}

TEST_P(ReturnedResults, TakeAFutureThatIsReadyAlready) {
  script_.answer.set_value(std::make_unique<int>(42));
  give_future();
  EXPECT_EQ(script_.begun, 1);
  EXPECT_EQ(*script_.answer.get_future().get(), 42);
  EXPECT_THAT(stage_.reports(), IsEmpty());
}

// ---- failures ----------------------------------------------------------------------------------

TEST_P(ReturnedResults, ReportWhatATaskThrowsBeforeItSuspends) {
  script_.fails = true;
  give_task(Pause::kNone);
  expect_one_report("zmqloop::testing::ReturnsTask<", "std::range_error: went wrong");
}

// Failures: D12
TEST_P(ReturnedResults, ReportWhatATaskThrowsAfterItHasSlept) {
  script_.fails = true;
  give_task(Pause::kSleep);
  EXPECT_THAT(stage_.reports(), IsEmpty());
  stage_.pass(kNap);
  expect_one_report("zmqloop::testing::ReturnsTask<", "std::range_error: went wrong");
}

TEST_P(ReturnedResults, ReportWhatATaskThrowsAfterItHasAwaitedAFuture) {
  script_.fails = true;
  give_task(Pause::kFuture);
  EXPECT_THAT(stage_.reports(), IsEmpty());
  open_gate();
  expect_one_report("zmqloop::testing::ReturnsTask<", "std::range_error: went wrong");
}

TEST_P(ReturnedResults, ReportTheExceptionOfAFutureThatIsReadyLater) {
  give_future();
  EXPECT_THAT(stage_.reports(), IsEmpty());
  set_failure();
  expect_one_report("zmqloop::testing::ReturnsFuture<", "std::range_error: went wrong");
}

TEST_P(ReturnedResults, ReportTheExceptionOfAFutureThatIsReadyAlready) {
  script_.answer.set_exception(std::make_exception_ptr(std::range_error("went wrong")));
  give_future();
  expect_one_report("zmqloop::testing::ReturnsFuture<", "std::range_error: went wrong");
}

TEST_P(ReturnedResults, ReportAFutureWhosePromiseWasDropped) {
  give_future();
  elsewhere([this] { script_.answer = {}; });
  expect_one_report("zmqloop::testing::ReturnsFuture<", "BrokenPromiseError");
}

TEST_P(ReturnedResults, ReportAnEmptyTaskAsALogicError) {
  give(ReturnsEmpty<Task<void>>{&script_});
  expect_one_report("zmqloop::testing::ReturnsEmpty<", "std::logic_error");
}

TEST_P(ReturnedResults, ReportAnEmptyFutureAsALogicError) {
  give(ReturnsEmpty<Future<int>>{&script_});
  expect_one_report("zmqloop::testing::ReturnsEmpty<", "std::logic_error");
}

TEST_P(ReturnedResults, ReportATaskThatWasDestroyedWithAnotherLoop) {
  LoopThread other("other");
  give(StaysElsewhere<Guard>(script_, other.loop()));
  other.loop().submit([] {}).get();
  EXPECT_EQ(script_.frames.count(), 1);
  stage_.turn_after([&] {
    other.stop();
    other.join();
  });
  expect_one_report("StaysElsewhere<", "LoopClosedError");
  EXPECT_EQ(script_.frames.count(), 0);
  let_go_of_the_callable();
  EXPECT_EQ(script_.callables.count(), 0);
}

TEST_P(ReturnedResults, SayNothingOfATaskThatWasDestroyedWithAnotherLoopIfTheirOwnClosesNext) {
  if (is_of_pool(entry())) return;  // the pool's loop does not close
  LoopThread other("other");
  give(StaysElsewhere<Guard>(script_, other.loop()));
  other.loop().submit([] {}).get();
  ::testing::internal::CaptureStderr();
  other.stop();
  other.join();
  stage_.end();
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_THAT(stage_.reports(), IsEmpty());
  stage_.withdraw();
  EXPECT_EQ(script_.callables.count(), 0);
  EXPECT_EQ(script_.frames.count(), 0);
}

TEST_P(ReturnedResults, ReportATaskThatMovesToAClosedLoop) {
  LoopThread other("other");
  other.stop();
  other.join();
  give(StaysElsewhere<Guard>(script_, other.loop()));
  expect_one_report("StaysElsewhere<", "LoopClosedError");
  EXPECT_EQ(script_.frames.count(), 0);
}

// ---- loops that close --------------------------------------------------------------------------

TEST_P(ReturnedResults, OfALoopThatClosesWhileTheTaskSleepsAreDestroyedOnce) {
  give_task(Pause::kSleep);
  EXPECT_EQ(script_.frames.count(), 1);
  stage_.end();
  stage_.withdraw();
  EXPECT_EQ(script_.frames.count(), 0);
  EXPECT_FALSE(script_.frames.ended_twice());
  EXPECT_EQ(script_.callables.count(), 0);
  EXPECT_EQ(script_.ended, 0);
  EXPECT_THAT(stage_.reports(), IsEmpty());
}

// Failures: L3
TEST_P(ReturnedResults, OfAClosedLoopAreDestroyedWhenTheFutureThatTheyAwaitIsReady) {
  give_task(Pause::kFuture);
  stage_.end();
  stage_.withdraw();
  EXPECT_EQ(script_.ended, 0);
  on_another_thread([this] { script_.gate.set_value(); });
  EXPECT_EQ(script_.frames.count(), 0);
  EXPECT_FALSE(script_.frames.ended_twice());
  EXPECT_EQ(script_.callables.count(), 0);
  EXPECT_FALSE(script_.callables.ended_twice());
  EXPECT_EQ(script_.ended, 0);
  EXPECT_THAT(stage_.reports(), IsEmpty());
}

// ---- callables that only move ------------------------------------------------------------------

using ReturnedResultsOfMoveOnlyCallables = AtEntries;
ZMQLOOP_AT_ENTRIES(ReturnedResultsOfMoveOnlyCallables, [](Entry entry) {
  return entry != Entry::kCallbackFromSignal && entry != Entry::kPoolBroadcast &&
         entry != Entry::kOnHighWater;
});

TEST_P(ReturnedResultsOfMoveOnlyCallables, AreRunToTheirEndWhileTheCallableLives) {
  script_.pause = Pause::kFuture;
  give(ReturnsTask<MoveOnlyGuard>(script_));
  stage_.withdraw();
  open_gate();
  EXPECT_EQ(script_.ended, 1);
  EXPECT_FALSE(script_.lost_its_captures);
  EXPECT_EQ(script_.callables.count(), 0);
}

TEST_P(ReturnedResultsOfMoveOnlyCallables, MayBeFutures) {
  give(ReturnsFuture<MoveOnlyGuard>(script_));
  stage_.withdraw();
  EXPECT_EQ(script_.callables.count(), 1);
  set_failure();
  EXPECT_EQ(script_.callables.count(), 0);
  expect_one_report("zmqloop::testing::ReturnsFuture<", "went wrong");
}

// ---- callables that are called again -----------------------------------------------------------

using ReturnedResultsOfRepeatedCalls = AtEntries;
ZMQLOOP_AT_ENTRIES(ReturnedResultsOfRepeatedCalls, calls_again);

TEST_P(ReturnedResultsOfRepeatedCalls, OverlapUnlessTheirEntryPointWaitsForTheEnd) {
  give_task(Pause::kFuture);
  stage_.happen();
  stage_.turn();
  EXPECT_EQ(script_.begun, overlaps(entry()) ? 2 : 1);
  open_gate();
  if (entry() == Entry::kPeriodicCallback) stage_.happen();
  stage_.turn();
  EXPECT_EQ(script_.begun, 2);
  EXPECT_EQ(script_.ended, 2);
  EXPECT_FALSE(script_.lost_its_captures);
}

TEST_P(ReturnedResultsOfRepeatedCalls, GoOnAfterAFailure) {
  script_.fails = true;
  give_task(Pause::kSleep);
  stage_.pass(kNap);
  script_.fails = false;
  stage_.happen();
  stage_.turn();
  stage_.pass(kNap);
  EXPECT_EQ(script_.begun, 2);
  EXPECT_EQ(script_.ended, 1);
  EXPECT_EQ(stage_.reports().size(), 1u);
}

TEST_P(ReturnedResultsOfRepeatedCalls, GoOnAfterATaskWasDestroyedWithAnotherLoop) {
  std::optional<LoopThread> other(std::in_place, "other");
  give(StaysElsewhere<Guard>(script_, other->loop()));
  other->loop().submit([] {}).get();
  other->stop();
  other->join();
  for (int calls = 2; calls < 4; ++calls) {
    stage_.turn();
    stage_.happen();
    stage_.turn();
    EXPECT_EQ(script_.begun, calls);
  }
  EXPECT_EQ(stage_.reports().size(), 3u);
}

// As above, but no thread runs the other loop: this thread destroys the task.
TEST_P(ReturnedResultsOfRepeatedCalls, GoOnAfterThisThreadHasClosedTheLoopThatTheTaskWasOn) {
  IOLoop other;
  give(StaysElsewhere<Guard>(script_, other));
  other.add_callback([&] { other.add_callback([&] { other.stop(); }); });
  other.start();
  EXPECT_EQ(script_.frames.count(), 1);
  other.close();
  EXPECT_EQ(script_.frames.count(), 0);
  stage_.turn();
  stage_.happen();
  stage_.turn();
  EXPECT_EQ(script_.begun, 2);
  EXPECT_EQ(stage_.reports().size(), 2u);
}

TEST_P(ReturnedResultsOfRepeatedCalls, AreNotAskedForAnyMoreOnceWithdrawn) {
  if (entry() == Entry::kOnHighWater) return;  // cannot be withdrawn
  give_task(Pause::kFuture);
  stage_.withdraw();
  if (entry() == Entry::kHandlerOfDescriptor || entry() == Entry::kHandlerOfSocket) {
    stage_.happen();
  }
  stage_.pass(2 * Stage::kPeriod);
  open_gate();
  stage_.pass(2 * Stage::kPeriod);
  EXPECT_EQ(script_.begun, 1);
  EXPECT_EQ(script_.ended, 1);
}

// ---- an exception hook that throws -------------------------------------------------------------

using ReturnedResultsUnderAThrowingHook = AtEntries;
ZMQLOOP_AT_ENTRIES(ReturnedResultsUnderAThrowingHook,
                   [](Entry entry) { return !is_of_pool(entry); });

TEST_P(ReturnedResultsUnderAThrowingHook, LeaveStartOnceAndTheLoopGoesOnWithAllThatWaits) {
  for (const Pause pause : {Pause::kNone, Pause::kSleep}) {
    SCOPED_TRACE(pause == Pause::kNone ? "in the call" : "after a sleep");
    Script script;
    Stage stage(entry(), std::get<PollerKind>(GetParam()));
    script.fails = true;
    script.pause = pause;
    stage.give(ReturnsTask<Guard>(script), script);
    stage.own_loop().escapes = true;
    int ran = 0;
    int escaped = 0;
    for (int turn = 0; turn < 3; ++turn) {
      for (int i = 0; i < 3; ++i) stage.loop().add_callback([&ran] { ++ran; });
      stage.loop().call_later(0s, [&ran] { ++ran; });
      try {
        stage.pass(kNap);
      } catch (const std::range_error& error) {
        EXPECT_STREQ(error.what(), "went wrong");
        ++escaped;
      }
    }
    stage.withdraw();
    stage.turn();
    EXPECT_EQ(escaped, 1);
    EXPECT_EQ(stage.reports().size(), 1u) << "the hook is called once";
    EXPECT_EQ(ran, 12);
    EXPECT_EQ(script.frames.count(), 0);
  }
}

}  // namespace
}  // namespace zmqloop::testing
