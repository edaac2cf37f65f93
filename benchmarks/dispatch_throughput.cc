// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// How many callables per second run on a loop if other threads or loops post them? (posts/s)
//
// W1, W1w, W2 and W3 of docs/performance.md; benchmarks/README.md has the rules for all rows.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "benchmarks/bare_ring.h"
#include "benchmarks/contender.h"
#include "benchmarks/measurement.h"

#include "zmqloop/threading/host/usable_cores.h"

namespace zmqloop::bench {
namespace {

constexpr std::uint64_t kWindow = 1024;
constexpr std::size_t kEachWay = 256;
constexpr CircuitShape kExchange = {.tokens = 2 * kEachWay, .sample_every = 128};

// One core per thread: each thread is pinned to its own.
WorkloadOptions pinned(std::size_t producers, std::size_t loops) {
  return {.loops = loops, .producers = producers, .cpus = usable_cpus()};
}

// More threads than cores: the kernel decides where they run.
WorkloadOptions crowded(std::size_t producers) { return {.loops = 1, .producers = producers}; }

void add_floors(Measurement& measurement) {
  measurement.add_rate("W1/floor-ring", [] { return std::make_unique<RingFlood>(pinned(1, 1)); });
  measurement.add_rate("W1w/floor-ring",
                       [] { return std::make_unique<RingFlood>(pinned(1, 1), kWindow); });
  measurement.add_rate("W3/floor-ring",
                       [] { return std::make_unique<RingExchange>(pinned(0, 2), kEachWay); });
}

int run(int argc, char** argv) {
  Measurement measurement(argc, argv);
  const auto add = [&measurement](const std::string& workload, const auto& start) {
    for (const Contender& contender : contenders_in(workload)) {
      measurement.add_rate(workload + "/" + contender.name,
                           [contender, start] { return start(contender); });
    }
  };
  add("W1", [](const Contender& c) { return c.flood(pinned(1, 1), {}); });
  add("W1w", [](const Contender& c) { return c.flood(pinned(1, 1), {.outstanding = kWindow}); });
  add("W2-2to1", [](const Contender& c) { return c.flood(crowded(2), {}); });
  add("W2-4to1", [](const Contender& c) { return c.flood(crowded(4), {}); });
  add("W3", [](const Contender& c) { return c.circuit(pinned(0, 2), kExchange); });
  add_floors(measurement);
  return measurement.run();
}

}  // namespace
}  // namespace zmqloop::bench

int main(int argc, char** argv) { return zmqloop::bench::run(argc, argv); }
