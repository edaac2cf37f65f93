// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Addresses that tell threads apart.

#include "zmqloop/threading/host/thread_address.h"

#include <barrier>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace zmqloop::testing {
namespace {

TEST(ThreadAddress, IsTheSameAllAThreadsLife) {
  const void* const first = thread_address();
  std::thread([] { static_cast<void>(thread_address()); }).join();
  EXPECT_EQ(thread_address(), first);
}

TEST(ThreadAddress, IsNoOtherLivingThreads) {
  constexpr int kThreads = 50;
  std::vector<const void*> seen(kThreads);
  std::barrier all_live(kThreads);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      seen[static_cast<std::size_t>(i)] = thread_address();
      all_live.arrive_and_wait();
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<const void*> all(seen.begin(), seen.end());
  all.insert(thread_address());
  all.erase(nullptr);
  EXPECT_EQ(all.size(), kThreads + 1u);
}

}  // namespace
}  // namespace zmqloop::testing
