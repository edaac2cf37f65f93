// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A pool of loops: choosing one, stopping, joining, and failures of the constructor.

#include "zmqloop/runtime/pool/loop_pool.h"

#include <algorithm>
#include <atomic>
#include <dlfcn.h>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <pthread.h>
#include <set>
#include <stdexcept>
#include <string>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/process_facts.h"
#include "tests/support/zmq_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/threading/host/cpu_set.h"
#include "zmqloop/threading/host/usable_cores.h"

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define ZMQLOOP_CAN_FAIL_THREADS 1

// The number of threads that the calling thread may still create; negative: any number.
inline constinit thread_local int threads_left = -1;

// Replaces the C library's function.
extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                              void* (*body)(void*), void* argument) {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const Create create = reinterpret_cast<Create>(::dlsym(RTLD_NEXT, "pthread_create"));
  if (threads_left == 0) return EAGAIN;
  if (threads_left > 0) --threads_left;
  return create(thread, attributes, body, argument);
}
#endif

namespace zmqloop::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class LoopPoolTest : public OnBothPollers {
 protected:
  static LoopPool::Options pool_of(std::size_t loops, std::string name = "pool") {
    LoopPool::Options result;
    result.loops = loops;
    result.name = std::move(name);
    result.loop = options("not used");
    return result;
  }
};
ZMQLOOP_ON_BOTH_POLLERS(LoopPoolTest);

// ---- making ----

TEST_P(LoopPoolTest, HasOneLoopForEachUsableCoreUnlessToldOtherwise) {
  EXPECT_EQ(LoopPool().size(), usable_cores());
  EXPECT_EQ(LoopPool(pool_of(3)).size(), 3u);
}

TEST_P(LoopPoolTest, Rel_O3_RefusesNoneAndAbsurdlyManyLoops) {
  for (const std::size_t count : {std::size_t{0}, std::size_t{100'000}, ~std::size_t{0}}) {
    EXPECT_THAT(
        error_of<std::invalid_argument>([&] { LoopPool pool(pool_of(count)); }),
        AllOf(HasSubstr(std::to_string(count)), HasSubstr(std::to_string(LoopPool::kMostLoops))));
  }
}

TEST_P(LoopPoolTest, NamesItsLoopsAndThreads) {
  LoopPool pool(pool_of(3, "hash"));
  for (std::size_t i = 0; i < 3; ++i) {
    pool.loop(i).submit([] {}).get();
    EXPECT_EQ(pool.loop(i).name(), "hash-" + std::to_string(i));
    EXPECT_EQ(thread_names().count("hash-" + std::to_string(i)), 1u);
    EXPECT_EQ(pool.loop(i).poller_kind(), GetParam());
  }
  EXPECT_THAT(error_of<std::out_of_range>([&] { pool.loop(3); }), HasSubstr("3"));
}

TEST_P(LoopPoolTest, PinsEachLoopToAUsableCpuInTurn) {
  const std::vector<int> cpus = usable_cpus();
  LoopPool::Options pinned = pool_of(cpus.size() + 1);
  pinned.pin = true;
  LoopPool pool(pinned);
  for (std::size_t i = 0; i < pool.size(); ++i) {
    EXPECT_EQ(pool.loop(i).submit([] { return affinity_of(0); }).get(),
              std::vector<int>{cpus[i % cpus.size()]});
  }
}

// ---- choosing ----

TEST_P(LoopPoolTest, TakesTurns) {
  LoopPool pool(pool_of(3));
  std::vector<IOLoop*> turns;
  for (int i = 0; i < 6; ++i) turns.push_back(&pool.next());
  EXPECT_EQ(std::set<IOLoop*>(turns.begin(), turns.end()).size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(turns[i], turns[i + 3]);
}

TEST_P(LoopPoolTest, PostsAndSubmitsInTurn) {
  LoopPool pool(pool_of(3));
  std::set<IOLoop*> ran_on;
  for (int i = 0; i < 3; ++i) {
    ran_on.insert(pool.submit([] { return &IOLoop::current(); }).get());
  }
  EXPECT_EQ(ran_on.size(), 3u);
  std::atomic<int> run{0};
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(pool.post([&] { ++run; }));
  for (std::size_t i = 0; i < 3; ++i) pool.loop(i).submit([] {}).get();
  EXPECT_EQ(run, 30);
}

TEST_P(LoopPoolTest, GivesTheSameLoopForTheSameKeyAndSpreadsKeysEvenly) {
  LoopPool pool(pool_of(4));
  const auto count_by_loop = [&](std::uint64_t step) {
    std::vector<int> counts(4, 0);
    for (std::uint64_t i = 0; i < 4'000; ++i) {
      IOLoop& loop = pool.for_key(i * step);
      EXPECT_EQ(&loop, &pool.for_key(i * step));
      for (std::size_t j = 0; j < 4; ++j) counts[j] += &loop == &pool.loop(j);
    }
    return counts;
  };
  for (const std::uint64_t step :
       {1ull, 4ull, 64ull, 4'096ull, 1ull << 40, 0x9e3779b97f4a7c15ull}) {
    for (const int count : count_by_loop(step)) {
      EXPECT_GT(count, 800) << "keys " << step << " apart";
      EXPECT_LT(count, 1'200) << "keys " << step << " apart";
    }
  }
}

TEST_P(LoopPoolTest, FindsTheLoopWithTheFewestPosts) {
  std::atomic<bool> release{false};
  std::atomic<int> blocked{0};
  LoopPool pool(pool_of(3));
  EXPECT_EQ(pool.broadcast([&](IOLoop&) {
    ++blocked;
    while (!release) std::this_thread::yield();
  }),
            3u);
  while (blocked != 3) std::this_thread::yield();
  for (int i = 0; i < 10; ++i) pool.loop(0).add_callback([] {});
  for (int i = 0; i < 3; ++i) pool.loop(1).add_callback([] {});
  for (int i = 0; i < 5; ++i) pool.loop(2).add_callback([] {});
  for (int i = 0; i < 6; ++i) EXPECT_EQ(&pool.least_loaded(), &pool.loop(1));
  release = true;
}

TEST_P(LoopPoolTest, BroadcastsToEachLoopOnceWithThatLoop) {
  LoopPool pool(pool_of(4));
  std::vector<std::atomic<int>> calls(4);
  std::atomic<int> wrong{0};
  EXPECT_EQ(pool.broadcast([&](IOLoop& loop) {
    if (!loop.in_loop_thread()) ++wrong;
    for (std::size_t i = 0; i < 4; ++i) calls[i] += &loop == &pool.loop(i);
  }),
            4u);
  pool.loop(1).submit([] {}).get();
  pool.loop(1).stop();
  while (!pool.loop(1).is_closed()) std::this_thread::yield();
  EXPECT_EQ(pool.broadcast([&, own = std::string("copied for each")](IOLoop& loop) {
    for (std::size_t i = 0; i < 4; ++i) calls[i] += &loop == &pool.loop(i) && own.size() == 15;
  }),
            3u)
      << "one is closed";
  for (const std::size_t i : {0u, 2u, 3u}) pool.loop(i).submit([] {}).get();
  EXPECT_EQ(wrong, 0);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(calls[i], i == 1 ? 1 : 2);
}

// ---- ending ----

// Failures: N5
TEST_P(LoopPoolTest, ReportsTheSumOfWhatItsLoopsLeftUndone) {
  LoopPool pool(pool_of(2));
  std::atomic<bool> posted{false};
  pool.broadcast([&](IOLoop& loop) {
    loop.add_timeout(1h, [] {});
    while (!posted) std::this_thread::yield();
    loop.stop();
  });
  std::atomic<std::uint64_t> run{0};
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(pool.post([&] { ++run; }));
  posted = true;
  const CloseReport report = pool.join();
  EXPECT_EQ(report.timers_abandoned, 2u);
  EXPECT_EQ(report.callbacks_abandoned + run, 10u);
  EXPECT_EQ(pool.join(), report);
  EXPECT_FALSE(pool.post([] {}));
  EXPECT_THROW(pool.submit([] {}).get(), LoopClosedError);
  EXPECT_EQ(pool.broadcast([](IOLoop&) {}), 0u);
}

TEST_P(LoopPoolTest, Rel_C1_RefusesToBeJoinedByAnyOfItsOwnLoops) {
  LoopPool pool(pool_of(3));
  for (std::size_t i = 0; i < 3; ++i) {
    const std::string text =
        pool.loop(i).submit([&] { return error_of<std::logic_error>([&] { pool.join(); }); }).get();
    EXPECT_THAT(text, HasSubstr("'" + pool.loop(i).name() + "'"));
  }
}

// Failures: N6
TEST_P(LoopPoolTest, IsStoppedAndJoinedByManyThreadsAtOnce) {
  for (int round = 0; round < 20; ++round) {
    LoopPool pool(pool_of(3));
    std::vector<std::thread> joiners;
    std::atomic<int> wrong{0};
    for (std::size_t i = 0; i < 3; ++i) {
      pool.loop(i).submit([&, i] { pool.loop(i).add_timeout(1h, [] {}); }).get();
    }
    for (int i = 0; i < 8; ++i) {
      joiners.emplace_back([&] {
        pool.stop();
        if (pool.join() != CloseReport{0, 3, 0}) ++wrong;
      });
    }
    for (std::thread& joiner : joiners) joiner.join();
    EXPECT_EQ(wrong, 0);
  }
}

// Failures: N7
TEST_P(LoopPoolTest, StopsAndJoinsWhenDestroyedWhileItsLoopsPostToEachOther) {
  for (int round = 0; round < 20; ++round) {
    const auto alive = std::make_shared<int>();
    {
      LoopPool pool(pool_of(2));
      std::function<void()> hop = [&pool, &hop, alive] { pool.post(hop); };
      for (int i = 0; i < 4; ++i) pool.post(hop);
      pool.submit([] {}).get();
      pool.stop();
      pool.join();
    }
    EXPECT_EQ(alive.use_count(), 1);
  }
}

// Failures: N10
TEST_P(LoopPoolTest, WaitsForAllItsLoopsAlsoWhenOneOfThemHasFailed) {
  if (GetParam() != PollerKind::kEpoll) GTEST_SKIP() << "only an epoll set can be taken away";
  const auto pool = std::make_unique<LoopPool>(pool_of(2));
  const OwnedFd watched(::eventfd(0, EFD_CLOEXEC));
  pool->loop(0)
      .submit([&] {
        pool->loop(0).add_handler(
            watched.get(), [] {}, Events::kRead);
      })
      .get();
  const int first = epoll_set_that_watches(watched.get());
  ASSERT_NE(first, -1);
  std::atomic<bool> release{false};
  std::atomic<bool> joined{false};
  pool->loop(1).add_callback([&] {
    while (!release) std::this_thread::yield();
  });
  ::close(first);
  while (pool->loop(0).add_callback([] {})) std::this_thread::yield();
  std::thread joiner([&] {
    pool->loop(1).stop();
    EXPECT_THROW(pool->join(), std::system_error);
    EXPECT_TRUE(pool->loop(1).is_closed());
    joined = true;
  });
  for (int i = 0; i < 10'000 && !joined; ++i) std::this_thread::yield();
  release = true;
  joiner.join();
}

// ---- failing to be made ----

#ifdef ZMQLOOP_CAN_FAIL_THREADS
TEST_P(LoopPoolTest, Rel_D3_D10_H3_LeavesNothingBehindWhenAnyOfItsThreadsCannotBeCreated) {
  { LoopPool warm(pool_of(4)); }  // its context and doorbells remain
  const std::size_t threads = living_threads();
  const std::size_t descriptors = open_descriptors();
  for (int possible = 0; possible < 4; ++possible) {
    threads_left = possible;
    EXPECT_THAT(error_of<std::system_error>([&] { LoopPool pool(pool_of(4)); }),
                HasSubstr(std::to_string(possible) + " of 4"));
    threads_left = -1;
    EXPECT_TRUE(eventually([&] { return living_threads() <= threads; }));
    EXPECT_TRUE(eventually([&] { return open_descriptors() <= descriptors; }));
  }
  threads_left = 4;
  LoopPool pool(pool_of(4));
  threads_left = -1;
  EXPECT_EQ(pool.submit([] { return 1; }).get(), 1);
}

TEST_P(LoopPoolTest, Rel_H1_ThrowsAndLeavesNothingBehindWhereverDescriptorsRunOut) {
  const ChildResult child = run_in_child([] {
    { LoopPool warm(pool_of(4)); }
    const std::size_t before = open_descriptors();
    // Sets the hard limit too: a soft limit alone would be raised.
    const rlimit limit{before + 80, before + 80};
    ZMQLOOP_CHILD_EXPECT(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
    int failed = 0;
    int made = 0;
    for (std::size_t spare = 0; spare < 60; ++spare) {
      std::vector<OwnedFd> taken;
      for (int fd = 0; (fd = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0;) {
        taken.push_back(OwnedFd(fd));
      }
      taken.resize(taken.size() - std::min(taken.size(), spare));
      try {
        LoopPool pool(pool_of(4));
        ++made;
      } catch (const std::exception&) {
        ++failed;
      }
      taken.clear();
      ZMQLOOP_CHILD_EXPECT(eventually([&] { return open_descriptors() <= before; }));
    }
    ZMQLOOP_CHILD_EXPECT(failed > 0);
    ZMQLOOP_CHILD_EXPECT(made > 0);
    LoopPool pool(pool_of(4));
    ZMQLOOP_CHILD_EXPECT(pool.submit([] { return 1; }).get() == 1);
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
}
#endif

// ---- misuse that ends the process ----

using LoopPoolDeathTest = LoopPoolTest;
ZMQLOOP_ON_BOTH_POLLERS(LoopPoolDeathTest);

TEST_P(LoopPoolDeathTest, DestroyedByOneOfItsOwnLoopsTerminatesWithItsName) {
  EXPECT_DEATH(
      {
        auto pool = std::make_unique<LoopPool>(pool_of(2, "doomed"));
        pool->loop(1).submit([&] { pool.reset(); }).get();
      },
      "LoopPool destroyed on the thread of its own loop 'doomed-1'");
}

}  // namespace
}  // namespace zmqloop::testing
