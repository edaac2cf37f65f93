// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Makes pools, uses them from many threads, and ends them, again and again.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "tests/support/loop_fixture.h"
#include "tests/support/process_facts.h"
#include "tests/support/stress_counts.h"
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_pool.h"

namespace zmqloop::testing {
namespace {

constexpr unsigned kSeconds = 600;

class PoolStress : public ::testing::TestWithParam<PollerKind> {
 protected:
  static LoopPool::Options pool_of(std::size_t loops) {
    LoopPool::Options result;
    result.loops = loops;
    result.loop.poller = GetParam();
    return result;
  }
  const LoopWatchdog watchdog_{kSeconds};
};
ZMQLOOP_ON_BOTH_POLLERS(PoolStress);

// The loops post to each other, and two threads post to the loops, while the pool is stopped at a
// different moment in each round.
TEST_P(PoolStress, AccountsForEveryPostWhereverTheStopComes) {
  const std::uint64_t rounds = stress_count(2'000) + 10;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    std::atomic<std::uint64_t> accepted{0};
    std::atomic<std::uint64_t> run{0};
    CloseReport report;
    {
      LoopPool pool(pool_of(2));
      const std::function<void()> hop = [&] {
        ++run;
        if (pool.post(std::cref(hop))) ++accepted;
      };
      std::vector<std::thread> posters;
      for (int i = 0; i < 2; ++i) {
        posters.emplace_back([&] {
          for (int left = 200; left > 0 && pool.post([&] { ++run; }); --left) ++accepted;
          if (pool.post(std::cref(hop))) ++accepted;
        });
      }
      while (run < round % 300 && run < accepted) std::this_thread::yield();
      pool.stop();
      report = pool.join();
      for (std::thread& poster : posters) poster.join();
    }
    ASSERT_EQ(accepted, run + report.callbacks_abandoned) << "round " << round;
  }
}

TEST_P(PoolStress, AnswersManyClientsUntilTheEnd) {
  const std::uint64_t requests = stress_count(200'000);
  LoopPool pool(pool_of(2));
  std::atomic<std::uint64_t> wrong{0};
  std::vector<std::thread> clients;
  for (std::uint64_t client = 0; client < 4; ++client) {
    clients.emplace_back([&, client] {
      std::vector<Future<std::uint64_t>> answers;
      for (std::uint64_t i = 0; i < requests / 4;) {
        answers.clear();
        for (int batch = 0; batch < 32; ++batch, ++i) {
          answers.push_back(pool.for_key(i).submit([client, i] { return client ^ i; }));
        }
        for (std::uint64_t back = 0; back < 32; ++back) {
          wrong += answers[back].get() != (client ^ (i - 32 + back));
        }
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(wrong, 0u);
}

TEST_P(PoolStress, LeavesNoDescriptorsAndThreadsBehind) {
  { LoopPool warm(pool_of(4)); }
  const std::size_t descriptors = open_descriptors();
  const std::size_t threads = living_threads();
  for (std::uint64_t round = 0; round < stress_count(5'000) + 10; ++round) {
    LoopPool pool(pool_of(4));
    pool.broadcast([](IOLoop&) {});
  }
  EXPECT_TRUE(eventually([&] { return open_descriptors() <= descriptors; }))
      << open_descriptors() << " descriptors, " << descriptors << " before";
  EXPECT_TRUE(eventually([&] { return living_threads() <= threads; }));
}

}  // namespace
}  // namespace zmqloop::testing
