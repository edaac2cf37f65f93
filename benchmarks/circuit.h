// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Callables that go round from loop to loop: each posts its successor to the next loop.
//
// One loop: a callback re-posts itself. Two loops: ping-pong with one token; with more tokens, half
// of them are in flight each way. Each token carries a pointer and 24 bytes.
//
// Threads, errors: as in workload.h. `Loop`: contender.h lists its requirements.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_CIRCUIT_H_
#define ZMQLOOP_BENCHMARKS_CIRCUIT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "benchmarks/loop_group.h"
#include "benchmarks/workload.h"

#include "zmqloop/threading/mailbox/counter.h"

namespace zmqloop::bench {

struct CircuitShape {
  std::size_t tokens;          // in total; put on the loops in turn
  std::uint64_t sample_every;  // of a token's hops, every n-th is timed
};

template <class Loop>
class Circuit : public Workload {
 public:
  // Goes round `options.loops` loops.
  Circuit(const WorkloadOptions& options, CircuitShape shape);
  ~Circuit() override { request_stop(); }

  std::uint64_t posts_run() const noexcept override {
    std::uint64_t run = 0;
    for (const std::unique_ptr<Station>& station : stations_) run += station->run.get();
    return run;
  }
  Tally finish() override;

 private:
  // A stop on the way round: one loop, and the data that only this loop's thread writes.
  struct alignas(128) Station {
    Circuit* circuit = nullptr;
    Loop* loop = nullptr;
    Station* next = nullptr;
    Counter run;
    std::uint64_t accepted = 0;  // its posts to the next
    std::uint64_t refused = 0;
    std::uint64_t corrupt = 0;
    LatencyHistogram latency;
  };
  struct Token {
    Station* station;
    std::uint64_t hop;
    std::int64_t sent_at;
    std::uint64_t check;
    void operator()() const { station->circuit->pass(*station, *this); }
  };
  static_assert(sizeof(Token) == sizeof(void*) + 24);

  void pass(Station& here, const Token& token);
  // Takes a token out. The last one ends the loops.
  void retire(const Token& token) {
    hops_of_retired_.add(token.hop);
    if (--tokens_left_ == 0) loops_.finish();
  }

  const std::uint64_t sample_every_;
  std::vector<std::unique_ptr<Station>> stations_;
  std::uint64_t seeded_ = 0;

  // Shared; written when a token ends.
  alignas(128) std::atomic<std::size_t> tokens_left_;
  SharedCounter hops_of_retired_;

  LoopGroup<Loop> loops_;  // last: its callbacks use the other members
};

template <class Loop>
Circuit<Loop>::Circuit(const WorkloadOptions& options, CircuitShape shape)
    : sample_every_(shape.sample_every), tokens_left_(shape.tokens), loops_(options) {
  for (std::size_t i = 0; i < loops_.size(); ++i) stations_.push_back(std::make_unique<Station>());
  for (std::size_t i = 0; i < loops_.size(); ++i) {
    stations_[i]->circuit = this;
    stations_[i]->loop = &loops_[i];
    stations_[i]->next = stations_[(i + 1) % loops_.size()].get();
  }
  for (std::size_t i = 0; i < shape.tokens; ++i) {
    Station& first = *stations_[i % stations_.size()];
    const std::uint64_t hop = 1;
    if (first.loop->post(Token{&first, hop, kUntimed, ~hop})) ++seeded_;
  }
}

template <class Loop>
void Circuit<Loop>::pass(Station& here, const Token& token) {
  here.run.add();
  if (token.check != ~token.hop) ++here.corrupt;
  std::int64_t sent_at = kUntimed;
  if (token.sent_at != kUntimed) {
    sent_at = now();
    here.latency.record(sent_at - token.sent_at);
  }
  if (stopped()) return retire(token);

  const std::uint64_t hop = token.hop + 1;
  if (hop % sample_every_ != 0 || !sampling()) {
    sent_at = kUntimed;
  } else if (sent_at == kUntimed) {  // else one clock reading ends a hop and begins the next
    sent_at = now();
  }
  if (here.next->loop->post(Token{here.next, hop, sent_at, ~hop})) {
    ++here.accepted;
  } else {
    ++here.refused;
    retire(token);
  }
}

template <class Loop>
Tally Circuit<Loop>::finish() {
  request_stop();
  loops_.join();
  Tally tally;
  tally.accepted = seeded_;
  for (const std::unique_ptr<Station>& station : stations_) {
    tally.accepted += station->accepted;
    tally.refused += station->refused;
    tally.run += station->run.get();
    tally.corrupt += station->corrupt;
    tally.latency.merge(station->latency);
  }
  // Each token counted its own hops; the sum must match.
  if (hops_of_retired_.get() != tally.run) ++tally.corrupt;
  return tally;
}

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_CIRCUIT_H_
