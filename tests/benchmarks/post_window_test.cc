// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/post_window.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <tuple>

#include <gtest/gtest.h>

namespace zmqloop::bench {
namespace {

// Parameters: the size of the window, and whether the producer sleeps while it waits.
class EveryPostWindow : public testing::TestWithParam<std::tuple<std::uint64_t, bool>> {};

TEST_P(EveryPostWindow, NeverHasMoreOutstandingAndNeverStopsTheProducer) {
  const auto [size, crowded] = GetParam();
  PostWindow window(size, crowded);
  const std::uint64_t posts = 4 * size + 500;
  std::atomic<std::uint64_t> posted{0};
  std::uint64_t most_outstanding = 0;
  std::thread producer([&] {
    for (std::uint64_t sequence = 1; sequence <= posts; ++sequence) {
      window.wait_for(sequence);
      posted = sequence;
    }
  });
  for (std::uint64_t run = 0; run < posts;) {
    const std::uint64_t seen = posted;
    most_outstanding = std::max(most_outstanding, seen - run);
    if (run < seen) {
      window.ran(++run);
    } else {
      std::this_thread::yield();
    }
  }
  producer.join();
  EXPECT_LE(most_outstanding, size);
  EXPECT_GT(most_outstanding, 0U);
}

INSTANTIATE_TEST_SUITE_P(Sizes, EveryPostWindow,
                         testing::Combine(testing::Values(1, 2, 3, 5, 16, 100, 1024, 1 << 15),
                                          testing::Bool()));

TEST(PostWindow, LetsOnePostThroughWhenTheWindowIsDividedToNothing) {
  PostWindow window(0, false);
  window.wait_for(1);
  window.ran(1);
  window.wait_for(2);
}

}  // namespace
}  // namespace zmqloop::bench
