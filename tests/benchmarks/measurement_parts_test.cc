// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Tests the benchmarks' measurements other than time: allocations, memory, CPU time, waits,
// distance.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "benchmarks/bare_ping_pong.h"
#include "benchmarks/core_distance.h"
#include "benchmarks/malloc_counter.h"
#include "benchmarks/process_usage.h"
#include <gtest/gtest.h>

#include "zmqloop/threading/host/usable_cores.h"

namespace zmqloop::bench {
namespace {

// volatile: the compiler must keep the pointer and the memory it points to.
void* volatile sink = nullptr;

TEST(MallocCounter, CountsWhatIsAllocatedWhileItExists) {
  const std::unique_ptr<int> before = std::make_unique<int>(1);
  std::uint64_t counted = 0;
  {
    const MallocCounter counter;
    std::thread([] {
      for (int i = 0; i < 100; ++i) {
        sink = std::malloc(10);
        std::free(sink);
      }
    }).join();
    sink = std::calloc(1, 10);
    sink = std::realloc(sink, 1000);
    std::free(sink);
    counted = counter.count();
  }
  EXPECT_GE(counted, 102U);
  EXPECT_LT(counted, 120U) << "the thread itself takes a few";
  EXPECT_EQ(MallocCounter().count(), 0U);
}

TEST(ProcessUsage, SeesMemoryThatIsTouched) {
  constexpr std::uint64_t kBytes = 16 << 20;
  const std::uint64_t before = resident_bytes();
  const std::vector<char> block(kBytes, 'x');
  sink = const_cast<char*>(block.data());
  EXPECT_GE(resident_bytes(), before + kBytes * 9 / 10);
}

TEST(ProcessUsage, SeesWaitsOfOtherThreads) {
  constexpr std::uint64_t kMostHops = 1'000'000;
  EventfdChannel there;
  EventfdChannel back;
  std::thread echo([&] {
    for (Ball ball = there.receive(); ball.hop != Ball::kQuit; ball = there.receive()) {
      back.send(ball);
    }
  });
  // A thread does not wait in every hop: the ball may arrive before the thread looks for it.
  std::uint64_t hops = 0;
  while (voluntary_switches_of_others() < 50 && hops < kMostHops) {
    there.send({.hop = ++hops, .sent_at = 0});
    EXPECT_EQ(back.receive().hop, hops);
  }
  EXPECT_LT(hops, kMostHops);
  there.send({.hop = Ball::kQuit, .sent_at = 0});
  echo.join();
}

TEST(ProcessUsage, CountsCpuTimeOfAllThreads) {
  const double before = process_cpu_ns();
  std::thread([] {
    for (int i = 0; i < 1'000'000; ++i) sink = &i;
  }).join();
  EXPECT_GT(process_cpu_ns(), before);
}

TEST(CoreDistance, IsMeasuredBetweenTwoCores) {
  if (usable_cpus().size() < 2) {
    EXPECT_EQ(core_distance_ns(), 0);
  } else {
    EXPECT_GT(core_distance_ns(), 1);
  }
}

}  // namespace
}  // namespace zmqloop::bench
