// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Forks again and again at any moment of a busy loop: each child makes a loop of its own, and the
// parent loses nothing.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <thread>

#include "tests/support/child_process.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/process_facts.h"
#include "tests/support/stress_counts.h"
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_thread.h"

namespace zmqloop::testing {
namespace {

constexpr unsigned kSeconds = 600;

// Returns the pages of this process in memory, except for some that the kernel has not counted yet.
std::uint64_t resident_pages() {
  std::uint64_t virtual_pages = 0;
  std::uint64_t resident = 0;
  std::ifstream("/proc/self/statm") >> virtual_pages >> resident;
  return resident;
}

class ForkStress : public ::testing::TestWithParam<PollerKind> {
 protected:
  static LoopThread::Options thread_options() {
    LoopThread::Options of_thread;
    of_thread.loop.poller = GetParam();
    return of_thread;
  }
  // The life of a child: the parent's loop refuses its posts, its own loop works.
  static int live(LoopThread& parents) {
    ZMQLOOP_CHILD_EXPECT(!parents.loop().add_callback([] {}));
    IOLoop own(thread_options().loop);
    ZMQLOOP_CHILD_EXPECT(own.add_callback([] {}));
    return own.run_sync([] { return 0; });
  }
  const LoopWatchdog watchdog_{kSeconds};
};
ZMQLOOP_ON_BOTH_POLLERS(ForkStress);

TEST_P(ForkStress, LeavesMemoryAndDescriptorsOfTheParentAsTheyWere) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "its allocator stays locked in a child if another thread was inside it";
#endif
  constexpr std::uint64_t kPagesOfNoise = 512;  // 2 MiB; less than a leak of one page per fork
  const std::uint64_t forks = stress_count(1'000) + 10;
  LoopThread thread(thread_options());
  // Makes the epoll poller open its timer now. It does so at the first sleep with a timeout, which
  // could otherwise come at any time: when the loop waits for a poster in the middle of a post.
  thread.loop().submit([&] { thread.loop().add_timeout(1h, [] {}); }).get();
  ASSERT_TRUE(eventually(&other_threads_sleep));  // a busy loop may be reading its CPU list
  const std::size_t descriptors = open_descriptors();
  std::atomic<bool> done{false};
  std::uint64_t accepted = 0;
  std::atomic<std::uint64_t> run{0};
  std::thread poster([&] {
    while (!done) {
      if (thread.loop().stats().pending >= 1'000) continue;
      accepted += thread.loop().add_callback([&run] { ++run; });
    }
  });
  std::uint64_t pages = 0;
  for (std::uint64_t i = 0; i < forks; ++i) {
    if (i == forks / 4) pages = resident_pages();  // by then the process has all memory it needs
    const ChildResult child = run_in_child([&] { return live(thread); });
    ASSERT_TRUE(child.ok()) << child << " in fork " << i;
  }
  EXPECT_LE(resident_pages(), pages + kPagesOfNoise);
  done = true;
  poster.join();
  EXPECT_EQ(thread.loop().submit([&run] { return run.load(); }).get(), accepted);
  ASSERT_TRUE(eventually(&other_threads_sleep));
  EXPECT_EQ(open_descriptors(), descriptors);
}

}  // namespace
}  // namespace zmqloop::testing
