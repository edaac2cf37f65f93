// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The floors of throughput: the same posts go through bare rings, without any library.
//
// Threads, errors: as in workload.h.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_BARE_RING_H_
#define ZMQLOOP_BENCHMARKS_BARE_RING_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "benchmarks/spsc_ring.h"
#include "benchmarks/team.h"
#include "benchmarks/workload.h"

#include "zmqloop/threading/mailbox/counter.h"

namespace zmqloop::bench {

// The counts of a ring's receiving side.
struct alignas(128) RingEnd {
  Counter run;
  std::uint64_t sent = 0;  // items that this side's thread pushed
  std::uint64_t corrupt = 0;
  LatencyHistogram latency;
};

// The payload of a post: a pointer and 24 bytes.
struct RingItem {
  RingEnd* end;  // null: no item comes after this one
  std::uint64_t sequence;
  std::int64_t sent_at;
  std::uint64_t check;
};
static_assert(sizeof(RingItem) == sizeof(void*) + 24);

using Ring = SpscRing<RingItem>;

// One thread pushes as fast as it can, another pops. The consumer lets items pile up a little:
// taking each item as it comes would cost both sides a cache-line transfer per item.
class RingFlood : public Workload {
 public:
  // A large ring is faster: the two sides touch each other's cache lines less often.
  static constexpr std::size_t kLarge = std::size_t{1} << 14;

  explicit RingFlood(const WorkloadOptions& options, std::size_t slots = kLarge);
  ~RingFlood() override { request_stop(); }
  std::uint64_t posts_run() const noexcept override { return end_.run.get(); }
  Tally finish() override;

 private:
  void push_all();
  void pop_all();

  const std::size_t slots_;
  Ring ring_;
  RingEnd end_;
  alignas(128) std::uint64_t sent_ = 0;  // the producer's
  Team team_;                            // last: it uses the other members
};

// Two threads, each with a ring: each pops from its own ring and pushes to the other's. A fixed
// number of items goes round.
class RingExchange : public Workload {
 public:
  RingExchange(const WorkloadOptions& options, std::size_t items_each_way);
  ~RingExchange() override { request_stop(); }
  std::uint64_t posts_run() const noexcept override;
  Tally finish() override;

 private:
  void pass_on(std::size_t side);

  const std::size_t items_;
  std::array<Ring, 2> rings_;
  std::array<RingEnd, 2> ends_;
  alignas(128) std::atomic<std::size_t> items_left_;
  Team team_;  // last: it uses the other members
};

// One thread pushes to a ring and pops from it, one item at a time.
class RingSelf : public Workload {
 public:
  explicit RingSelf(const WorkloadOptions& options);
  ~RingSelf() override { request_stop(); }
  std::uint64_t posts_run() const noexcept override { return end_.run.get(); }
  Tally finish() override;

 private:
  void push_and_pop();

  Ring ring_{2};
  RingEnd end_;
  Team team_;  // last: it uses the other members
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_BARE_RING_H_
