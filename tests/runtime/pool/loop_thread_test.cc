// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A loop on a thread of its own: from the constructor to join(), and the failures in between.

#include "zmqloop/runtime/pool/loop_thread.h"

#include <atomic>
#include <memory>
#include <sched.h>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

#include "tests/support/loop_fixture.h"
#include "tests/support/process_facts.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/threading/host/cpu_set.h"
#include "zmqloop/threading/host/usable_cores.h"

namespace zmqloop::testing {
namespace {

using ::testing::HasSubstr;

class LoopThreadTest : public OnBothPollers {
 protected:
  static LoopThread::Options named(std::string name) {
    LoopThread::Options result;
    result.name = std::move(name);
    result.loop = options("not used");
    return result;
  }
};
ZMQLOOP_ON_BOTH_POLLERS(LoopThreadTest);

TEST_P(LoopThreadTest, AcceptsPostsAtOnceAndRunsThemInOrderOnItsThread) {
  for (int round = 0; round < 50; ++round) {
    LoopThread thread(named("worker"));
    std::vector<int> seen;
    std::thread::id ran_on;
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(thread.loop().add_callback([&, i] { seen.push_back(i); }));
    }
    thread.loop().submit([&] { ran_on = std::this_thread::get_id(); }).get();
    EXPECT_EQ(seen, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
    EXPECT_NE(ran_on, std::this_thread::get_id());
    thread.stop();
    EXPECT_EQ(thread.join(), CloseReport());
  }
}

TEST_P(LoopThreadTest, MakesItsLoopCurrentAndRunning) {
  LoopThread thread(named("worker"));
  thread.loop()
      .submit([&] {
        EXPECT_EQ(&IOLoop::current(), &thread.loop());
        EXPECT_TRUE(thread.loop().in_loop_thread());
      })
      .get();
  EXPECT_TRUE(thread.loop().is_running());
  EXPECT_FALSE(thread.loop().in_loop_thread());
  EXPECT_EQ(thread.loop().poller_kind(), GetParam());
}

TEST_P(LoopThreadTest, NamesItsLoopAndItsThread) {
  LoopThread thread(named("telemetry-in"));
  thread.loop().submit([] {}).get();
  EXPECT_EQ(thread.name(), "telemetry-in");
  EXPECT_EQ(thread.loop().name(), "telemetry-in");
  EXPECT_EQ(thread_names().count("telemetry-in"), 1u);
  LoopThread by_string("by-string");
  by_string.loop().submit([] {}).get();
  EXPECT_EQ(thread_names().count("by-string"), 1u);
  LoopThread by_option({.name = "io"});  // g++ 12 took this for a copy constructor
  EXPECT_EQ(by_option.name(), "io");
  LoopThread unnamed;
  EXPECT_FALSE(unnamed.name().empty());
}

// Failures: N8
TEST_P(LoopThreadTest, ReportsWhatItLeftUndoneAndWhereItDestroyedIt) {
  std::vector<std::thread::id> destroyed_on;
  std::thread::id loop_thread;
  std::atomic<bool> posted{false};
  LoopThread thread(named("worker"));
  thread.loop().add_callback([&] {
    loop_thread = std::this_thread::get_id();
    while (!posted) std::this_thread::yield();
    thread.stop();
    thread.loop().add_timeout(1h, [] {});
  });
  thread.loop().submit([] {});  // in the same batch or a later one: accounted for in either case
  for (int i = 0; i < 5; ++i) {
    thread.loop().add_callback([end = std::make_shared<AtDestruction>([&] {
                                  destroyed_on.push_back(std::this_thread::get_id());
                                })] {});
  }
  posted = true;
  const CloseReport report = thread.join();
  EXPECT_EQ(report.timers_abandoned, 1u);
  EXPECT_EQ(report.callbacks_abandoned + thread.loop().stats().callbacks_run, 7u);
  EXPECT_EQ(destroyed_on, std::vector<std::thread::id>(5, loop_thread));
  EXPECT_EQ(thread.join(), report) << "the same each time";
}

TEST_P(LoopThreadTest, RefusesPostsOnceItHasEnded) {
  LoopThread thread(named("worker"));
  thread.stop();
  thread.join();
  EXPECT_TRUE(thread.loop().is_closed());
  EXPECT_FALSE(thread.loop().add_callback([] {}));
  EXPECT_FALSE(thread.loop().add_callback_from_signal([] {}));
  EXPECT_THROW(thread.loop().submit([] {}).get(), LoopClosedError);
  EXPECT_THROW(thread.loop().start(), LoopClosedError);
}

TEST_P(LoopThreadTest, AccountsForEveryPostWhereverTheStopComes) {
  for (int round = 0; round < 100; ++round) {
    std::uint64_t accepted = 0;
    std::uint64_t run = 0;
    LoopThread thread(named("worker"));
    if (round % 2 == 0) thread.stop();  // most likely before the thread reaches start()
    for (int i = 0; i < round; ++i) accepted += thread.loop().add_callback([&] { ++run; });
    thread.stop();
    const CloseReport report = thread.join();
    EXPECT_EQ(accepted, run + report.callbacks_abandoned);
  }
}

TEST_P(LoopThreadTest, MayBeStoppedByItsOwnCallback) {
  LoopThread thread(named("worker"));
  thread.loop().add_callback([&] { thread.stop(); });
  EXPECT_EQ(thread.join(), CloseReport());
}

// Failures: N7
TEST_P(LoopThreadTest, StopsAndJoinsWhenDestroyed) {
  const auto alive = std::make_shared<int>();
  {
    LoopThread thread(named("worker"));
    thread.loop().add_callback([alive] {});
  }
  EXPECT_EQ(alive.use_count(), 1);
}

TEST_P(LoopThreadTest, RefusesToJoinItself) {
  LoopThread thread(named("worker"));
  const std::string text =
      thread.loop()
          .submit([&] { return error_of<std::logic_error>([&] { thread.join(); }); })
          .get();
  EXPECT_THAT(text, HasSubstr("'worker'"));
  EXPECT_EQ(thread.loop().submit([] { return 1; }).get(), 1);
}

// When the loop has ended, its thread still runs user code: destructors of abandoned callbacks.
TEST_P(LoopThreadTest, RefusesToJoinItselfWhileItClosesToo) {
  std::atomic<bool> joining{false};
  std::string text;
  LoopThread thread(named("worker"));
  thread.loop().add_callback([&] {
    while (!joining) std::this_thread::yield();
    thread.stop();
    thread.loop().add_callback([end = std::make_shared<AtDestruction>([&] {
                                  try {
                                    thread.join();
                                  } catch (const std::exception& error) {
                                    text = error.what();
                                  }
                                })] {});
  });
  joining = true;
  thread.join();
  EXPECT_NE(text, "");
}

// Failures: N6
TEST_P(LoopThreadTest, IsStoppedAndJoinedByManyThreadsAtOnce) {
  for (int round = 0; round < 30; ++round) {
    LoopThread thread(named("worker"));
    const auto keep = std::make_shared<int>();
    std::vector<CloseReport> reports(8);
    std::vector<std::thread> joiners;
    thread.loop().add_callback([&] { thread.loop().add_timeout(1h, [keep] {}); });
    thread.loop().submit([] {}).get();
    for (std::size_t i = 0; i < 8; ++i) {
      joiners.emplace_back([&, i] {
        thread.stop();
        reports[i] = thread.join();
      });
    }
    for (std::thread& joiner : joiners) joiner.join();
    EXPECT_EQ(reports, std::vector<CloseReport>(8, CloseReport{0, 1, 0}));
    EXPECT_EQ(keep.use_count(), 1);
  }
}

TEST_P(LoopThreadTest, GivesWhatLeftTheLoopToWhoJoinsAndIsClosedAllTheSame) {
  if (GetParam() != PollerKind::kEpoll) GTEST_SKIP() << "only an epoll set can be taken away";
  const std::set<int> others = epoll_sets();
  LoopThread thread(named("worker"));
  thread.loop().submit([] {}).get();
  for (const int set : epoll_sets()) {
    if (others.count(set) == 0) ::close(set);
  }
  while (thread.loop().add_callback([] {})) std::this_thread::yield();
  for (int i = 0; i < 2; ++i) EXPECT_THROW(thread.join(), std::system_error);
  EXPECT_TRUE(thread.loop().is_closed());
}

// ---- placement ----

TEST_P(LoopThreadTest, RunsOnTheCpuItWasGiven) {
  for (const int cpu : usable_cpus()) {
    LoopThread::Options pinned = named("pinned");
    pinned.cpu = cpu;
    LoopThread thread(pinned);
    EXPECT_EQ(thread.loop().submit([] { return affinity_of(0); }).get(), std::vector<int>{cpu});
  }
  EXPECT_FALSE(usable_cpus().empty());
}

// The kernel moves threads when a CPU is taken away, and an administrator may do so by hand.
TEST_P(LoopThreadTest, Rel_O4_GoesOnWhenItsThreadIsMovedToOtherCpus) {
  const std::vector<int> cpus = usable_cpus();
  LoopThread::Options pinned = named("moved");
  pinned.cpu = cpus.front();
  LoopThread thread(pinned);
  const pid_t id = thread.loop().submit([] { return ::gettid(); }).get();
  for (int round = 0; round < 20; ++round) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpus[static_cast<std::size_t>(round) % cpus.size()], &set);
    ASSERT_EQ(::sched_setaffinity(id, sizeof set, &set), 0);
    EXPECT_EQ(thread.loop().submit([round] { return round; }).get(), round);
  }
}

TEST_P(LoopThreadTest, CannotBePinnedToACpuThatDoesNotExist) {
  const std::size_t threads = living_threads();
  for (const int cpu : {-1, 4'000, 1 << 30}) {
    LoopThread::Options pinned = named("nowhere");
    pinned.cpu = cpu;
    EXPECT_THAT(error_of<std::system_error>([&] { LoopThread thread(pinned); }),
                HasSubstr("nowhere"));
  }
  EXPECT_TRUE(eventually([&] { return living_threads() == threads; }));
}

TEST_P(LoopThreadTest, Rel_H6_LeavesNothingBehindAThousandTimes) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  constexpr int kCycles = 200;
#else
  constexpr int kCycles = 1'000;
#endif
  const auto cycle = [] {
    LoopThread thread(named("brief"));
    thread.loop().add_callback([] {});
  };
  cycle();  // the runtime's context, its thread and a doorbell remain
  const std::size_t descriptors = open_descriptors();
  const std::size_t threads = living_threads();
  for (int i = 0; i < kCycles; ++i) cycle();
  EXPECT_TRUE(eventually([&] { return open_descriptors() <= descriptors; }))
      << open_descriptors() << " descriptors, " << descriptors << " before";
  EXPECT_TRUE(eventually([&] { return living_threads() <= threads; }))
      << living_threads() << " threads, " << threads << " before";
}

// ---- misuse that ends the process ----

using LoopThreadDeathTest = LoopThreadTest;
ZMQLOOP_ON_BOTH_POLLERS(LoopThreadDeathTest);

TEST_P(LoopThreadDeathTest, DestroyedOnItsOwnThreadTerminatesWithItsName) {
  EXPECT_DEATH(
      {
        auto thread = std::make_unique<LoopThread>(named("doomed"));
        thread->loop().submit([&] { thread.reset(); }).get();
      },
      "'doomed' destroyed on its own loop's thread");
}

}  // namespace
}  // namespace zmqloop::testing
