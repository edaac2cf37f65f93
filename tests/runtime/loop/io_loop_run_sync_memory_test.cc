// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// run_sync() when there is no memory: it throws std::bad_alloc or returns the value, never hangs,
// and leaves the loop as usable as before.

#include <atomic>
#include <cstdint>
#include <latch>
#include <memory>
#include <new>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/counted_memory.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/zmq_fixture.h"
#include <gtest/gtest.h>

#include "zmqloop/runtime/futures/future.h"
#include "zmqloop/runtime/pool/loop_thread.h"
#include "zmqloop/runtime/tasks/task.h"

namespace zmqloop::testing {
namespace {

constexpr int kValue = 42;

class IOLoopRunSyncMemory : public OnBothPollers {
 protected:
  // Calls `run`, which returns kValue by run_sync(). For each n, lets its n-th allocation fail;
  // then for each n, the n-th and all later ones. Returns how often it threw std::bad_alloc.
  template <class F>
  int fail_everywhere(F&& run) {
    int failures = 0;
    for (const bool one_alone : {true, false}) {
      for (int n = 1;; ++n) {
        const Outcome outcome = run_with_failure(run, n, one_alone);
        failures += !outcome.value.has_value();
        if (outcome.value) {
          EXPECT_EQ(*outcome.value, kValue);
        }
        EXPECT_EQ(loop_.run_sync([] { return 7; }), 7) << "after allocation " << n << " failed";
        EXPECT_FALSE(loop_.is_running());
        if (!outcome.failed) break;
      }
    }
    // The calls left nothing behind.
    EXPECT_EQ(loop_.close(), CloseReport());
    return failures;
  }

 private:
  struct Outcome {
    bool failed = false;  // `run` reached its n-th allocation
    std::optional<int> value;
  };
  template <class F>
  static Outcome run_with_failure(F& run, int n, bool one_alone) {
    Outcome outcome;
    (one_alone ? allocation_that_fails : allocations_left) = one_alone ? n : n - 1;
    try {
      outcome.value = run();
    } catch (const std::bad_alloc&) {
    }
    outcome.failed = one_alone ? allocation_that_fails == 0 : allocations_left == 0;
    allocation_that_fails = 0;
    allocations_left = -1;
    return outcome;
  }
};
ZMQLOOP_ON_BOTH_POLLERS(IOLoopRunSyncMemory);

TEST_P(IOLoopRunSyncMemory, ThatIsMissingForAFunctionIsTheCallersErrorOrNotNoticed) {
  EXPECT_GT(fail_everywhere([&] { return loop_.run_sync([] { return kValue; }); }), 0);
}

TEST_P(IOLoopRunSyncMemory, ThatIsMissingForAFunctionWithATimeLimitIsTheCallersErrorOrNotNoticed) {
  EXPECT_GT(fail_everywhere([&] { return loop_.run_sync([] { return kValue; }, 1h); }), 0);
}

TEST_P(IOLoopRunSyncMemory, ThatIsMissingForAValueThatAllocatesIsTheCallersErrorOrNotNoticed) {
  EXPECT_GT(fail_everywhere([&] {
              return *loop_.run_sync([] { return std::make_unique<int>(kValue); });
            }),
            0);
}

TEST_P(IOLoopRunSyncMemory, ThatIsMissingForAReadyFutureIsTheCallersErrorOrNotNoticed) {
  EXPECT_GT(fail_everywhere([&] {
              return loop_.run_sync([] {
                Promise<int> promise;
                promise.set_value(kValue);
                return promise.get_future();
              });
            }),
            0);
}

TEST_P(IOLoopRunSyncMemory, ThatIsMissingForAFutureOfThisLoopIsTheCallersErrorOrNotNoticed) {
  EXPECT_GT(fail_everywhere([&] {
              return loop_.run_sync([&] { return loop_.submit([] { return kValue; }); });
            }),
            0);
}

TEST_P(IOLoopRunSyncMemory, ThatIsMissingForAFutureOfAnotherLoopIsTheCallersErrorOrNotNoticed) {
  LoopThread other("other");
  EXPECT_GT(fail_everywhere([&] {
              return loop_.run_sync([&] { return other.loop().submit([] { return kValue; }); }, 1h);
            }),
            0);
}

// The thread that completes the future can do nothing about it.
TEST_P(IOLoopRunSyncMemory, ThatTheCompletingThreadMissesIsNotNoticed) {
  for (int i = 0; i < 20; ++i) {
    std::thread completer;
    const int value = loop_.run_sync([&] {
      Promise<int> promise;
      Future<int> future = promise.get_future();
      completer = std::thread([promise = std::move(promise)]() mutable {
        allocations_left = 0;
        promise.set_value(kValue);
        allocations_left = -1;
      });
      return future;
    });
    EXPECT_EQ(value, kValue);
    completer.join();
  }
}

Task<int> return_at_once() { co_return kValue; }

Task<int> return_after_a_sleep() {
  co_await sleep_for(1us);
  co_return kValue;
}

Task<int> return_after_tasks() {
  co_await sleep_for(0s);
  const int value = co_await return_after_a_sleep();
  co_return value + co_await return_at_once() - kValue;
}

Task<int> return_from_another_loop(IOLoop& other) {
  co_return co_await other.submit([] { return kValue; });
}

// Failures: D14
TEST_P(IOLoopRunSyncMemory, ThatIsMissingForATaskIsTheCallersErrorOrNotNoticed) {
  EXPECT_GT(fail_everywhere([&] { return loop_.run_sync(return_at_once); }), 0);
}

TEST_P(IOLoopRunSyncMemory, ThatIsMissingForATaskThatSleepsIsTheCallersErrorOrNotNoticed) {
  EXPECT_GT(fail_everywhere([&] { return loop_.run_sync(return_after_a_sleep); }), 0);
}

TEST_P(IOLoopRunSyncMemory, ThatIsMissingForATaskOfTasksIsTheCallersErrorOrNotNoticed) {
  EXPECT_GT(fail_everywhere([&] { return loop_.run_sync(return_after_tasks, 1h); }), 0);
}

TEST_P(IOLoopRunSyncMemory, ThatIsMissingForATaskThatGoesElsewhereIsTheCallersErrorOrNotNoticed) {
  LoopThread other("other");
  EXPECT_GT(fail_everywhere([&] {
              return loop_.run_sync([&] { return return_from_another_loop(other.loop()); });
            }),
            0);
}

TEST_P(IOLoopRunSyncMemory, ThatIsMissingForWhatTheFunctionThrowsLeavesTheLoopUsable) {
  EXPECT_GE(fail_everywhere([&] {
              try {
                return loop_.run_sync([]() -> int { throw std::vector<int>(100); });
              } catch (const std::vector<int>&) {
                return kValue;
              }
            }),
            1);
}

TEST_P(IOLoopRunSyncMemory, ThatIsMissingForTheTimeoutErrorLeavesTheLoopUsable) {
  const Promise<int> never;
  EXPECT_GE(fail_everywhere([&] {
              try {
                return loop_.run_sync([&] { return never.get_future(); }, 1us);
              } catch (const TimeoutError&) {
                return kValue;
              }
            }),
            1);
}

// The posts of other threads wait in so many lanes that merging them needs memory.
TEST_P(IOLoopRunSyncMemory, ThatIsMissingLosesNothingThatOthersHavePosted) {
  constexpr int kThreads = 40;
  std::atomic<int> ran{0};
  int posted = 0;
  int failures = 0;
  for (int enough_for = 0; enough_for < 20; ++enough_for) {
    std::vector<std::thread> threads;
    std::latch all_have_posted(kThreads);
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        EXPECT_TRUE(loop_.add_callback([&] { ++ran; }));
        all_have_posted.arrive_and_wait();
      });
    }
    for (std::thread& thread : threads) thread.join();
    posted += kThreads;
    allocations_left = enough_for;
    try {
      EXPECT_EQ(loop_.run_sync([] { return kValue; }), kValue);
    } catch (const std::bad_alloc&) {
      ++failures;
    }
    allocations_left = -1;
    EXPECT_EQ(loop_.run_sync([] { return 7; }), 7);
    EXPECT_EQ(ran, posted);
  }
  EXPECT_GT(failures, 0);
  EXPECT_EQ(loop_.close(), CloseReport());
}

}  // namespace
}  // namespace zmqloop::testing
