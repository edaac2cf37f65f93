// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Memory that runs out when a task begins: for its frame, or for the loop's record of it.

#include <cstdint>
#include <new>
#include <string>
#include <tuple>
#include <utility>

#include "tests/support/counted_memory.h"
#include "tests/support/entry_points.h"
#include "tests/support/loop_watchdog.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace zmqloop::testing {

// A callable whose task has unlimited memory once it has begun.
template <class G>
class NeedsMemory {
 public:
  NeedsMemory(Script& script, std::int64_t& left)
      : script_(&script), left_(&left), guard_(script.callables) {}
  NeedsMemory<NoGuard> trivial() const { return {*script_, *left_}; }
  template <class... A>
  Task<void> operator()(const A&...) {
    *left_ = std::exchange(allocations_left, -1);
    Script& script = *script_;
    const std::size_t callable = guard_.number();
    const Guard frame(script.frames);
    script.begin();
    co_await sleep_for(kNap);
    script.go_on(callable);
  }

 private:
  Script* script_;
  std::int64_t* left_;
  [[no_unique_address]] G guard_;
};

namespace {

class ReturnedResultsWithoutMemory : public ::testing::TestWithParam<Where> {
 protected:
  static Entry entry() { return std::get<Entry>(GetParam()); }
  const LoopWatchdog watchdog_;
};
// Without pools and sockets: libzmq ends the process if it finds no memory.
ZMQLOOP_AT_ENTRIES(ReturnedResultsWithoutMemory, [](Entry entry) {
  return !is_of_pool(entry) && entry != Entry::kHandlerOfSocket;
});

TEST_P(ReturnedResultsWithoutMemory, AreReportedOnceAndNothingIsLeftBehind) {
  {
    Script script;  // warm-up: makes the allocations that happen once in a process
    Stage warm(entry(), std::get<PollerKind>(GetParam()));
    warm.give(ReturnsTask<Guard>(script), script);
    warm.turn();
  }
  int failures = 0;
  bool is_enough = false;
  for (int allowed = 0; !is_enough; ++allowed) {
    ASSERT_LT(allowed, 1'000);
    SCOPED_TRACE(allowed);
    Script script;
    std::int64_t left = 0;
    Stage stage(entry(), std::get<PollerKind>(GetParam()));
    stage.give(NeedsMemory<Guard>(script, left), script);
    stage.own_loop().on_exception = [] { allocations_left = -1; };
    // Other allocations may fail as well, and their exception leaves the loop.
    try {
      stage.turn_after([&] { allocations_left = allowed; });
    } catch (const std::bad_alloc&) {
    }
    allocations_left = -1;
    is_enough = left > 0;
    stage.turn();
    stage.turn();
    int reports = 0;
    for (const std::string& report : stage.reports()) {
      if (report.find("NeedsMemory<") == std::string::npos) continue;
      EXPECT_NE(report.find("std::bad_alloc"), std::string::npos) << report;
      ++reports;
    }
    failures += reports;
    if (entry() == Entry::kHandlerOfDescriptor || entry() == Entry::kHandlerOfSocket) {
      EXPECT_LE(reports, 1);
      EXPECT_EQ(script.begun, 1) << "it is called again, for it has read nothing";
    } else {
      EXPECT_EQ(script.begun + reports, 1) << script.begun;
      if (reports == 1 && calls_again(entry())) {
        stage.start_again();  // there may have been no memory for the next tick
        stage.happen();
        stage.turn();
        EXPECT_EQ(script.begun, 1);
      }
    }
    stage.pass(kNap);
    EXPECT_EQ(script.ended, script.begun);
    EXPECT_FALSE(script.lost_its_captures);
    EXPECT_EQ(script.frames.count(), 0);
    stage.withdraw();
    stage.end();
    EXPECT_EQ(script.callables.count(), 0);
    EXPECT_FALSE(script.callables.ended_twice());
  }
  EXPECT_GE(failures, 3) << "two frames, and the run";
}

}  // namespace
}  // namespace zmqloop::testing
