// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The rows of `fd_dispatch`, written once for all contenders.
//
//   W7-pairs   64 tokens go round 64 socket pairs: every poll finds many descriptors ready
//   W7-idle    one token goes round one socket pair, beside 10,000 idle descriptors
//   scale-fds  the same beside N idle descriptors
//
// A contender is a class with
//
//   explicit Contender(TokenRing& ring);   watches ring.watched() for reading, level-triggered
//   void run();                            calls ring.on_event(i) until it returns false
//
// Threads: one.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_FD_ROWS_H_
#define ZMQLOOP_BENCHMARKS_FD_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "benchmarks/descriptor_limit.h"
#include "benchmarks/rows.h"
#include "benchmarks/token_ring.h"

#include "zmqloop/threading/host/clock.h"

namespace zmqloop::bench {

struct RingShape {
  std::size_t places;
  std::size_t tokens;
  std::size_t idle;

  std::size_t descriptors() const { return 2 * places + idle; }
};

template <class Contender>
Row ring_row(const std::string& name, RingShape shape) {
  constexpr std::uint64_t kHops = 20'000;
  return {name, [shape](benchmark::State& state, Duration window) {
            TokenRing ring(shape.places, shape.tokens, shape.idle);
            Contender contender(ring);
            measure_rounds(state, window, [&]() -> Round {
              const std::uint64_t before = ring.hops();
              const TimePoint start = Clock::now();
              ring.begin_round(kHops);
              contender.run();
              const Duration time = Clock::now() - start;
              ring.require_no_loss();
              return {ring.hops() - before, time};
            });
          }};
}

template <class Contender>
std::vector<Row> fd_rows(const std::string& contender) {
  std::vector<Row> rows;
  const auto add = [&rows](const std::string& name, RingShape shape) {
    if (!can_open_descriptors(shape.descriptors(), name.c_str())) return;
    rows.push_back(ring_row<Contender>(name, shape));
  };
  add("W7-pairs/" + contender, {.places = 64, .tokens = 64, .idle = 0});
  add("W7-idle/" + contender, {.places = 1, .tokens = 1, .idle = 10'000});
  for (const std::size_t idle : {0u, 1'000u, 19'000u, 100'000u}) {
    add("scale-fds/" + contender + "/idle:" + std::to_string(idle),
        {.places = 1, .tokens = 1, .idle = idle});
  }
  return rows;
}

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_FD_ROWS_H_
