// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Tokens that go round a ring of socket pairs: the work of a descriptor's handler in `fd_dispatch`.
//
// When place i is readable, its handler reads one token there and writes it to place i + 1: two
// system calls, the same for every contender.
//
// Threads: one.
// Owns: the descriptors.
// Errors: std::system_error if descriptors run out; std::runtime_error from require_no_loss() if a
// token was lost.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_TOKEN_RING_H_
#define ZMQLOOP_BENCHMARKS_TOKEN_RING_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "benchmarks/event_sink.h"

namespace zmqloop::bench {

class TokenRing final : public EventSink {
 public:
  // Puts one token on each of the first `tokens` places. Also makes `idle` descriptors beside the
  // ring that never become readable.
  TokenRing(std::size_t places, std::size_t tokens, std::size_t idle);
  TokenRing(const TokenRing&) = delete;
  TokenRing& operator=(const TokenRing&) = delete;
  ~TokenRing();

  // The descriptors that a contender watches for reading: the places, then the idle ones. It calls
  // on_event(i) when the i-th of them is readable.
  const std::vector<int>& watched() const { return watched_; }

  // Begins a round: on_event() returns false once tokens have been passed on `hops` more times.
  void begin_round(std::uint64_t hops) { end_at_ = hops_ + hops; }
  std::uint64_t hops() const { return hops_; }
  // Throws unless every call of on_event() so far found a token, and every token was passed on.
  void require_no_loss() const;

  bool on_event(std::size_t place) override;

  // Does the second half of on_event(), for a contender that has read the token itself.
  bool pass_on(std::size_t place, char token);
  std::size_t places() const { return places_; }

 private:
  const std::size_t places_;
  std::vector<int> watched_;
  std::vector<int> entrances_;  // bytes written to entrance i are readable at place i
  std::uint64_t hops_ = 0;
  std::uint64_t end_at_ = 0;
  std::uint64_t failed_ = 0;
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_TOKEN_RING_H_
