// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// How often per second can a callback re-post itself to its own loop? (posts/s)
//
// W5. One callback is in flight; the loop has nothing else to do.

#include <memory>

#include "benchmarks/bare_ring.h"
#include "benchmarks/contender.h"
#include "benchmarks/measurement.h"

#include "zmqloop/threading/host/usable_cores.h"

namespace zmqloop::bench {
namespace {

constexpr CircuitShape kOneCallback = {.tokens = 1, .sample_every = 128};

int run(int argc, char** argv) {
  Measurement measurement(argc, argv);
  const WorkloadOptions options = {.loops = 1, .cpus = usable_cpus()};
  for (const Contender& contender : contenders_in("W5")) {
    measurement.add_rate("W5/" + contender.name,
                         [contender, options] { return contender.circuit(options, kOneCallback); });
  }
  measurement.add_rate("W5/floor-ring", [options] { return std::make_unique<RingSelf>(options); });
  return measurement.run();
}

}  // namespace
}  // namespace zmqloop::bench

int main(int argc, char** argv) { return zmqloop::bench::run(argc, argv); }
