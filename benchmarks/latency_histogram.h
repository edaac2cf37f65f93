// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A histogram of durations that yields percentiles: log-linear, of fixed size, recorded without
// allocation.
//
// Values below 128 ns have a bucket each. Above, every power of two is cut into 64 buckets, so a
// percentile is off by less than 1/64 of its value. The smallest and largest values are exact.
// Durations above an hour count as an hour.
//
// Threads: one at a time.
// Errors: none.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_LATENCY_HISTOGRAM_H_
#define ZMQLOOP_BENCHMARKS_LATENCY_HISTOGRAM_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace zmqloop::bench {

class LatencyHistogram {
 public:
  static constexpr std::uint64_t kLongest = std::uint64_t{3600} * 1'000'000'000;

  // Records a value in nanoseconds. A negative value, which no steady clock yields, counts as zero.
  void record(std::int64_t nanoseconds) noexcept {
    const std::uint64_t value =
        std::min(static_cast<std::uint64_t>(std::max<std::int64_t>(nanoseconds, 0)), kLongest);
    ++buckets_[bucket_of(value)];
    ++count_;
    smallest_ = std::min(smallest_, value);
    largest_ = std::max(largest_, value);
  }

  // Adds the values that another histogram recorded.
  void merge(const LatencyHistogram& other) noexcept;

  std::uint64_t count() const noexcept { return count_; }

  // Returns, in nanoseconds, the smallest recorded value such that at least `fraction` (0 to 1) of
  // all values are no larger (nearest rank, rounded down to its bucket); 0 if nothing was recorded.
  std::uint64_t percentile(double fraction) const noexcept;

 private:
  static constexpr int kPrecisionBits = 6;
  static constexpr std::size_t kPerOctave = std::size_t{1} << kPrecisionBits;
  static constexpr std::size_t kBuckets =
      (static_cast<std::size_t>(std::bit_width(kLongest)) - kPrecisionBits + 1) * kPerOctave;

  // Returns the bucket's number: the value itself up to 2 * kPerOctave; beyond that, a number made
  // of the value's leading 7 bits and their shift.
  static constexpr std::size_t bucket_of(std::uint64_t value) noexcept {
    const int shift = std::max(static_cast<int>(std::bit_width(value)) - (kPrecisionBits + 1), 0);
    return static_cast<std::size_t>(shift) * kPerOctave + static_cast<std::size_t>(value >> shift);
  }
  // Returns the smallest value of a bucket.
  static constexpr std::uint64_t lower_bound(std::size_t bucket) noexcept {
    if (bucket < 2 * kPerOctave) return bucket;
    const std::size_t shift = bucket / kPerOctave - 1;
    return std::uint64_t{bucket - shift * kPerOctave} << shift;
  }

  std::array<std::uint64_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t smallest_ = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t largest_ = 0;
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_LATENCY_HISTOGRAM_H_
