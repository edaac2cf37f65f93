// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/spsc_ring.h"

#include <cstddef>
#include <cstdint>
#include <thread>

#include <gtest/gtest.h>

namespace zmqloop::bench {
namespace {

TEST(SpscRing, HandsItemsOverInOrderAndOnce) {
  constexpr std::uint64_t kItems = 200'000;
  SpscRing<std::uint64_t> ring(64);
  std::thread producer([&ring] {
    for (std::uint64_t i = 0; i < kItems; ++i) {
      std::uint64_t* place = ring.next_free();
      for (; place == nullptr; place = ring.next_free()) std::this_thread::yield();
      *place = i;
      ring.push();
    }
  });
  std::uint64_t expected = 0;
  std::uint64_t wrong = 0;
  while (expected < kItems) {
    for (std::size_t left = ring.begin_batch(); left > 0; --left) {
      if (ring.pop() != expected++) ++wrong;
    }
  }
  producer.join();
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(ring.begin_batch(), 0U);
}

TEST(SpscRing, IsFullUntilTheConsumerBeginsItsNextBatch) {
  SpscRing<int> ring(2);
  for (int i = 0; i < 2; ++i) {
    ASSERT_NE(ring.next_free(), nullptr);
    ring.push();
  }
  EXPECT_EQ(ring.next_free(), nullptr);
  ASSERT_EQ(ring.begin_batch(), 2U);
  ring.pop();
  ring.pop();
  EXPECT_EQ(ring.next_free(), nullptr) << "what was popped may still be read";
  EXPECT_EQ(ring.begin_batch(), 0U);
  EXPECT_NE(ring.next_free(), nullptr);
}

}  // namespace
}  // namespace zmqloop::bench
