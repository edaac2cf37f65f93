// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/bare_ring.h"

#include <algorithm>

#include "benchmarks/backoff.h"

#include "zmqloop/threading/host/cpu_hints.h"

namespace zmqloop::bench {
namespace {

constexpr std::uint64_t kSampleEvery = 128;

// Does the same work as running a post in flood.h and circuit.h.
void run(const RingItem& item, std::int64_t received_at) {
  if (item.check != ~item.sequence) ++item.end->corrupt;
  if (received_at != 0) item.end->latency.record(received_at - item.sent_at);
  item.end->run.add();
}

void add(Tally& tally, const RingEnd& end) {
  tally.accepted += end.sent;
  tally.run += end.run.get();
  tally.corrupt += end.corrupt;
  tally.latency.merge(end.latency);
}

}  // namespace

// ---- RingFlood ----

RingFlood::RingFlood(const WorkloadOptions& options, std::size_t slots)
    : slots_(slots), ring_(slots), team_(2, options.cpus, [this](std::size_t i) {
        if (i == 0) {
          pop_all();
        } else {
          push_all();
        }
      }) {}

void RingFlood::push_all() {
  std::uint64_t sequence = 0;
  Backoff backoff;
  const auto push = [&](RingEnd* end, std::int64_t sent_at) {
    RingItem* place = ring_.next_free();
    for (; place == nullptr; place = ring_.next_free()) backoff.wait();
    backoff.reset();
    *place = {.end = end, .sequence = sequence, .sent_at = sent_at, .check = ~sequence};
    ring_.push();
  };
  while (!stopped()) {
    ++sequence;
    push(&end_, sequence % kSampleEvery == 0 && sampling() ? now() : kUntimed);
  }
  push(nullptr, kUntimed);
  sent_ = sequence;
}

void RingFlood::pop_all() {
  std::uint64_t expected = 0;
  Backoff backoff;
  for (;;) {
    const std::size_t batch = ring_.begin_batch();
    if (batch == 0) {
      backoff.wait();
    } else {
      backoff.reset();
    }
    for (std::size_t i = 0; i < batch; ++i) {
      const RingItem& item = ring_.pop();
      if (item.end == nullptr) return;
      if (item.sequence != ++expected) ++item.end->corrupt;
      run(item, item.sent_at != kUntimed ? now() : kUntimed);
    }
    // Let items pile up, unless many have already. The lengths were found by experiment.
    if (batch < slots_ / 8) {
      for (std::size_t i = 0; i < std::min<std::size_t>(slots_ / 16, 256); ++i) cpu_relax();
    }
  }
}

Tally RingFlood::finish() {
  request_stop();
  team_.join();
  Tally tally;
  add(tally, end_);
  tally.accepted += sent_;
  return tally;
}

// ---- RingExchange ----

RingExchange::RingExchange(const WorkloadOptions& options, std::size_t items_each_way)
    : items_(2 * items_each_way),
      // Room for all items, and for an equal number of slots that wait to be given back.
      rings_{Ring(2 * items_), Ring(2 * items_)},
      items_left_([this] {
        for (std::size_t i = 0; i < items_; ++i) {
          *rings_[i % 2].next_free() = {  // there is room for all
              .end = &ends_[i % 2],
              .sequence = 1,
              .sent_at = kUntimed,
              .check = ~std::uint64_t{1}};
          rings_[i % 2].push();
        }
        return items_;
      }()),
      team_(2, options.cpus, [this](std::size_t side) { pass_on(side); }) {}

void RingExchange::pass_on(std::size_t side) {
  RingEnd& here = ends_[side];
  RingEnd& there = ends_[1 - side];
  Backoff backoff;
  for (;;) {
    const std::size_t batch = rings_[side].begin_batch();
    if (batch == 0) {
      if (items_left_ == 0) return;
      backoff.wait();
    } else {
      backoff.reset();
    }
    for (std::size_t i = 0; i < batch; ++i) {
      const RingItem& item = rings_[side].pop();
      run(item, item.sent_at != kUntimed ? now() : kUntimed);
      if (stopped()) {
        --items_left_;
        continue;
      }
      const std::uint64_t hop = item.sequence + 1;
      const bool timed = hop % kSampleEvery == 0 && sampling();
      *rings_[1 - side].next_free() = {// there is room for all
                                       .end = &there,
                                       .sequence = hop,
                                       .sent_at = timed ? now() : kUntimed,
                                       .check = ~hop};
      rings_[1 - side].push();
      ++here.sent;
    }
  }
}

std::uint64_t RingExchange::posts_run() const noexcept {
  return ends_[0].run.get() + ends_[1].run.get();
}

Tally RingExchange::finish() {
  request_stop();
  team_.join();
  Tally tally;
  for (const RingEnd& end : ends_) add(tally, end);
  tally.accepted += items_;
  return tally;
}

// ---- RingSelf ----

RingSelf::RingSelf(const WorkloadOptions& options)
    : team_(1, options.cpus, [this](std::size_t) { push_and_pop(); }) {}

void RingSelf::push_and_pop() {
  while (!stopped()) {
    const std::uint64_t hop = end_.sent + 1;
    const bool timed = hop % kSampleEvery == 0 && sampling();
    *ring_.next_free() = {// the ring is empty
                          .end = &end_,
                          .sequence = hop,
                          .sent_at = timed ? now() : kUntimed,
                          .check = ~hop};
    ring_.push();
    ++end_.sent;
    for (std::size_t left = ring_.begin_batch(); left > 0; --left) {
      const RingItem& item = ring_.pop();
      run(item, item.sent_at != kUntimed ? now() : kUntimed);
    }
  }
}

Tally RingSelf::finish() {
  request_stop();
  team_.join();
  Tally tally;
  add(tally, end_);
  return tally;
}

}  // namespace zmqloop::bench
