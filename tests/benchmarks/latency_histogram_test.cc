// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/latency_histogram.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace zmqloop::bench {
namespace {

LatencyHistogram recorded(const std::vector<std::int64_t>& values) {
  LatencyHistogram histogram;
  for (const std::int64_t value : values) histogram.record(value);
  return histogram;
}

// The definition: the smallest value such that at least `fraction` of all values do not exceed it.
std::int64_t nearest_rank(std::vector<std::int64_t> values, double fraction) {
  std::sort(values.begin(), values.end());
  const double rank = std::ceil(fraction * static_cast<double>(values.size()));
  return values[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
}

TEST(LatencyHistogram, IsZeroWhenNothingWasRecorded) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.percentile(0.5), 0U);
  EXPECT_EQ(histogram.percentile(1), 0U);
}

TEST(LatencyHistogram, GivesOneValueBackExactlyWhateverItsSize) {
  for (const std::int64_t value : {0L, 1L, 127L, 128L, 129L, 123'457L, 987'654'321'012L}) {
    const LatencyHistogram histogram = recorded({value});
    for (const double fraction : {0.0, 0.5, 0.99, 1.0}) {
      EXPECT_EQ(histogram.percentile(fraction), static_cast<std::uint64_t>(value));
    }
  }
}

TEST(LatencyHistogram, IsExactForSmallValues) {
  std::vector<std::int64_t> values;
  for (std::int64_t value = 100; value >= 1; --value) values.push_back(value);
  const LatencyHistogram histogram = recorded(values);
  EXPECT_EQ(histogram.percentile(0), 1U);
  EXPECT_EQ(histogram.percentile(0.01), 1U);
  EXPECT_EQ(histogram.percentile(0.5), 50U);
  EXPECT_EQ(histogram.percentile(0.501), 51U);
  EXPECT_EQ(histogram.percentile(0.99), 99U);
  EXPECT_EQ(histogram.percentile(0.999), 100U);
  EXPECT_EQ(histogram.percentile(1), 100U);
}

TEST(LatencyHistogram, KeepsSmallestAndLargestExactly) {
  const LatencyHistogram histogram = recorded({1'000'003, 7'654'321, 3'000'000});
  EXPECT_EQ(histogram.percentile(0), 1'000'003U);
  EXPECT_EQ(histogram.percentile(1), 7'654'321U);
}

TEST(LatencyHistogram, IsOffByLessThanOneSixtyFourthForLargeSets) {
  std::mt19937_64 random(20260101);
  std::lognormal_distribution<double> distribution(9, 3);
  std::vector<std::int64_t> values;
  for (int i = 0; i < 100'000; ++i) {
    values.push_back(static_cast<std::int64_t>(std::min(distribution(random), 3e12)));
  }
  const LatencyHistogram histogram = recorded(values);
  EXPECT_EQ(histogram.count(), values.size());
  for (const double fraction : {0.001, 0.01, 0.1, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999}) {
    const auto exact = static_cast<double>(nearest_rank(values, fraction));
    const auto found = static_cast<double>(histogram.percentile(fraction));
    EXPECT_LE(found, exact) << fraction;
    EXPECT_GE(found, exact - exact / 64) << fraction;
  }
}

TEST(LatencyHistogram, BoundsTheErrorOfEveryPowerOfTwoAndItsNeighbours) {
  for (std::int64_t power = 64; power < 3'000'000'000'000; power *= 2) {
    for (const std::int64_t value : {power - 1, power, power + 1, power + power / 2}) {
      // Puts the value in the middle: the smallest and the largest value are kept exactly.
      const LatencyHistogram histogram = recorded({0, value, 3'599'999'999'999});
      const auto found = static_cast<double>(histogram.percentile(0.5));
      EXPECT_LE(found, static_cast<double>(value));
      EXPECT_GT(found, static_cast<double>(value) * (1 - 1.0 / 64));
    }
  }
}

TEST(LatencyHistogram, CountsNegativeAsZeroAndTooLongAsAnHour) {
  const LatencyHistogram histogram = recorded({-5, std::numeric_limits<std::int64_t>::max()});
  EXPECT_EQ(histogram.percentile(0.5), 0U);
  EXPECT_EQ(histogram.percentile(1), LatencyHistogram::kLongest);
}

TEST(LatencyHistogram, MergesAsIfAllHadBeenRecordedInOne) {
  LatencyHistogram left = recorded({5, 70'001, 12});
  const LatencyHistogram right = recorded({1, 9'000'000, 300});
  const LatencyHistogram both = recorded({5, 70'001, 12, 1, 9'000'000, 300});
  left.merge(right);
  EXPECT_EQ(left.count(), both.count());
  for (double fraction = 0; fraction <= 1; fraction += 0.125) {
    EXPECT_EQ(left.percentile(fraction), both.percentile(fraction));
  }
}

TEST(LatencyHistogram, MergingAnEmptyOneChangesNothing) {
  LatencyHistogram histogram = recorded({40, 50});
  histogram.merge(LatencyHistogram());
  EXPECT_EQ(histogram.count(), 2U);
  EXPECT_EQ(histogram.percentile(0), 40U);
  EXPECT_EQ(histogram.percentile(1), 50U);
}

}  // namespace
}  // namespace zmqloop::bench
