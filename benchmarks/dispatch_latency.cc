// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// How long is it from posting a callable to another core's loop until it runs, with nothing else to
// do there? (ns per hop, p50/p99/p99.9)
//
// One callable goes back and forth between two loops. W4: with the library's defaults. W4-asleep:
// with loops that never spin, so each hop wakes a thread. W4-onecore: both loops on one core, where
// a hop is a wake-up and a context switch. Rivals do not spin by themselves: for them W4 and
// W4-asleep are the same.

#include <memory>
#include <string>

#include "benchmarks/bare_ping_pong.h"
#include "benchmarks/contender.h"
#include "benchmarks/measurement.h"

#include "zmqloop/threading/host/usable_cores.h"

namespace zmqloop::bench {
namespace {

constexpr CircuitShape kPingPong = {.tokens = 1, .sample_every = 1};

WorkloadOptions two_cores() { return {.loops = 2, .cpus = usable_cpus()}; }

WorkloadOptions one_core() { return {.loops = 2, .cpus = {usable_cpus().front()}}; }

WorkloadOptions asleep(WorkloadOptions options) {
  options.idle_spin = Duration::zero();
  return options;
}

void add_contenders(Measurement& measurement, const std::string& workload,
                    const WorkloadOptions& options) {
  for (const Contender& contender : contenders_in(workload)) {
    measurement.add_latency(workload + "/" + contender.name,
                            [contender, options] { return contender.circuit(options, kPingPong); });
  }
}

template <class Channel>
void add_floor(Measurement& measurement, const std::string& name, const WorkloadOptions& options) {
  measurement.add_latency(name,
                          [options] { return std::make_unique<BarePingPong<Channel>>(options); });
}

int run(int argc, char** argv) {
  Measurement measurement(argc, argv);
  add_contenders(measurement, "W4", two_cores());
  add_contenders(measurement, "W4-asleep", asleep(two_cores()));
  add_contenders(measurement, "W4-onecore", one_core());
  add_floor<SpinChannel>(measurement, "W4/floor-spin", two_cores());
  add_floor<EventfdChannel>(measurement, "W4/floor-eventfd", two_cores());
  add_floor<EventfdChannel>(measurement, "W4-asleep/floor-eventfd", two_cores());
  add_floor<EventfdChannel>(measurement, "W4-onecore/floor-eventfd", one_core());
  return measurement.run();
}

}  // namespace
}  // namespace zmqloop::bench

int main(int argc, char** argv) { return zmqloop::bench::run(argc, argv); }
