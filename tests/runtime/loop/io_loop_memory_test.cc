// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Memory: how a loop behaves when none is left, and the memory it gives back after a burst.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <semaphore>
#include <sys/eventfd.h>
#include <thread>
#include <vector>

#include "tests/support/counted_memory.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/process_facts.h"
#include "tests/support/zmq_fixture.h"
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_thread.h"

namespace zmqloop::testing {
namespace {

class IOLoopMemory : public OnBothPollers {
 protected:
  // Calls `f` with memory for no allocation, then for one, two and so on, until that is enough.
  // Returns the number of failures.
  template <class F>
  static int fail_everywhere(F&& f) {
    for (int failures = 0;; ++failures) {
      try {
        allocations_left = failures;
        f();
        allocations_left = -1;
        return failures;
      } catch (const std::bad_alloc&) {
        allocations_left = -1;
      }
    }
  }
};
ZMQLOOP_ON_BOTH_POLLERS(IOLoopMemory);

// A thread's first post takes a lane, later posts let it grow, and each third callable is too large
// for its slot.
TEST_P(IOLoopMemory, Rel_D7_ThatRunsOutInAPostIsThePostersErrorAndLosesNothing) {
  constexpr int kThreads = 3;
  constexpr int kPosts = 400;
  std::vector<int> seen;
  int failures = 0;
  seen.reserve(kThreads * kPosts);
  for (int thread = 0; thread < kThreads; ++thread) {
    std::thread([&, thread] {
      for (int i = thread * kPosts; i < (thread + 1) * kPosts; ++i) {
        failures += fail_everywhere([&] {
          if (i % 3 != 0) {
            EXPECT_TRUE(loop_.add_callback([&seen, i] { seen.push_back(i); }));
            return;
          }
          EXPECT_TRUE(loop_.add_callback(
              [&seen, i, large = std::array<char, 100>()] { seen.push_back(i + large[0]); }));
        });
      }
    }).join();
  }
  EXPECT_GT(failures, kThreads * kPosts / 3);
  EXPECT_EQ(loop_.stats().pending, static_cast<std::uint64_t>(kThreads * kPosts));
  run_one_iteration();
  ASSERT_EQ(seen.size(), static_cast<std::size_t>(kThreads * kPosts));
  for (int i = 0; i < kThreads * kPosts; ++i) ASSERT_EQ(seen[static_cast<std::size_t>(i)], i);
}

TEST_P(IOLoopMemory, ThatRunsOutForATimerLeavesTheOthersAsTheyWere) {
  constexpr int kTimers = 1'000;
  std::vector<int> fired;
  int failures = 0;
  fired.reserve(kTimers);
  for (int i = 0; i < kTimers; ++i) {
    failures +=
        fail_everywhere([&] { loop_.add_timeout(0s, [&fired, i] { fired.push_back(i); }); });
  }
  EXPECT_GT(failures, 0);
  run_one_iteration();
  EXPECT_EQ(fired.size(), static_cast<std::size_t>(kTimers));
  EXPECT_TRUE(std::is_sorted(fired.begin(), fired.end()));
  EXPECT_EQ(loop_.close(), CloseReport());
}

TEST_P(IOLoopMemory, ThatRunsOutAtAStartLeavesALoopThatCanBeStartedAndClosed) {
  fail_everywhere([&] {
    loop_.stop();
    loop_.start();
  });
  run_one_iteration();
  EXPECT_EQ(loop_.close(), CloseReport());
}

TEST_P(IOLoopMemory, ThatRunsOutForAHandlerLeavesTheOthersAsTheyWere) {
  constexpr std::size_t kHandlers = 50;
  std::vector<OwnedFd> events;
  std::vector<int> handled(kHandlers, 0);
  int failures = 0;
  for (std::size_t i = 0; i < kHandlers; ++i) {
    events.push_back(make_event(/*readable=*/true));
    failures += fail_everywhere([&] {
      const auto drain = [&handled, i, event = events.back().get()] {
        eventfd_t value = 0;
        eventfd_read(event, &value);
        ++handled[i];
      };
      loop_.add_handler(events.back().get(), drain, Events::kRead);
    });
  }
  EXPECT_GT(failures, static_cast<int>(kHandlers));
  // The first poll reports only as many descriptors as it has room for.
  for (int i = 0; i < 3; ++i) run_one_iteration();
  EXPECT_EQ(handled, std::vector<int>(kHandlers, 1));
  for (const OwnedFd& event : events) loop_.remove_handler(event.get());
  EXPECT_EQ(loop_.close(), CloseReport());
}

TEST_P(IOLoopMemory, ThatRunsOutForTheReasonOfAnAbandonedCallIsWhatItsFutureReceives) {
  const Future<void> abandoned = loop_.submit([] {});
  std::optional<Promise<void>> promise(std::in_place);
  const Future<void> broken = promise->get_future();
  allocations_left = 0;
  promise.reset();
  loop_.close();
  allocations_left = -1;
  EXPECT_THROW(abandoned.get(), std::bad_alloc);
  EXPECT_THROW(broken.get(), std::bad_alloc);
}

// An earlier loop leaves its doorbell, so that no socket is made here: libzmq ends the process if
// it finds no memory for one.
TEST_P(IOLoopMemory, Rel_H2_ThatRunsOutWhileALoopIsMadeLeavesNothingBehind) {
  { IOLoop warm(options()); }
  const std::size_t descriptors = open_descriptors();
  const std::int64_t bytes = bytes_in_use;
  std::optional<IOLoop> made;
  EXPECT_GT(fail_everywhere([&] { made.emplace(options()); }), 5);
  EXPECT_EQ(made->run_sync([] { return 1; }), 1);
  made.reset();
  EXPECT_TRUE(eventually([&] { return open_descriptors() <= descriptors; }))
      << open_descriptors() << " descriptors, " << descriptors << " before";
  EXPECT_LE(bytes_in_use, bytes + 8'192) << "what this thread keeps to post with";
}

TEST_P(IOLoopMemory, Rel_K5_OfABurstIsGivenBackWhenTheLoopSleeps) {
  constexpr int kPosts = 300'000;
  constexpr std::int64_t kKept = 256 * 1'024;
  LoopThread::Options of_thread;
  of_thread.loop = options("worker");
  LoopThread thread(of_thread);
  thread.loop().submit([] {}).get();
  const std::int64_t before = bytes_in_use;
  std::binary_semaphore go_on{0};
  std::atomic<int> run{0};
  thread.loop().add_callback([&] { go_on.acquire(); });
  for (int i = 0; i < kPosts; ++i) thread.loop().add_callback([&run] { ++run; });
  EXPECT_GT(bytes_in_use, before + kPosts * std::int64_t{64});
  go_on.release();
  EXPECT_TRUE(eventually([&] { return run == kPosts && bytes_in_use < before + kKept; }))
      << run << " have run, " << bytes_in_use - before << " bytes are kept";
}

}  // namespace
}  // namespace zmqloop::testing
