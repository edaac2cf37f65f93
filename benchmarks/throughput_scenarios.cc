// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/throughput_scenarios.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "benchmarks/bare_ping_pong.h"
#include "benchmarks/bare_ring.h"
#include "benchmarks/circuit.h"
#include "benchmarks/flood.h"
#include "benchmarks/zmqloop_thread.h"

namespace zmqloop::bench {
namespace {

constexpr std::uint64_t kWindow = 1024;
constexpr std::size_t kEachWay = 256;
constexpr std::uint64_t kSparse = 128;  // reading the clock costs as much as several posts

WorkloadOptions with(WorkloadOptions options, std::size_t producers, std::size_t loops) {
  options.producers = producers;
  options.loops = loops;
  return options;
}

StartedWorkload ping_pong(const WorkloadOptions& options) {
  return std::make_unique<Circuit<ZmqloopThread>>(with(options, 0, 2),
                                                  CircuitShape{.tokens = 1, .sample_every = 1});
}

constexpr auto kRate = Scenario::Compared::kPostsPerSecond;
constexpr auto kHop = Scenario::Compared::kMedianHop;

constexpr Scenario kScenarios[] = {
    {"floor-ring", "a thread to a thread through a bare ring of 16,384 slots", "", kRate,
     [](const WorkloadOptions& o) -> StartedWorkload { return std::make_unique<RingFlood>(o); }},
    {"floor-rings", "two threads, two bare rings, 256 items in flight each way", "", kRate,
     [](const WorkloadOptions& o) -> StartedWorkload {
       return std::make_unique<RingExchange>(o, kEachWay);
     }},
    {"floor-ring-self", "one thread pushes to a bare ring and pops", "", kRate,
     [](const WorkloadOptions& o) -> StartedWorkload { return std::make_unique<RingSelf>(o); }},
    {"floor-spin", "a word goes back and forth between two spinning threads", "", kHop,
     [](const WorkloadOptions& o) -> StartedWorkload {
       return std::make_unique<BarePingPong<SpinChannel>>(o);
     }},
    {"floor-eventfd", "a word goes back and forth between two threads asleep in eventfds", "", kHop,
     [](const WorkloadOptions& o) -> StartedWorkload {
       return std::make_unique<BarePingPong<EventfdChannel>>(o);
     }},

    {"1to1", "a thread posts to a loop", "floor-ring", kRate,
     [](const WorkloadOptions& o) -> StartedWorkload {
       return std::make_unique<Flood<ZmqloopThread>>(with(o, 1, 1), FloodShape{});
     }},
    {"1to1-windowed", "the same with 1,024 posts outstanding at most", "floor-ring", kRate,
     [](const WorkloadOptions& o) -> StartedWorkload {
       return std::make_unique<Flood<ZmqloopThread>>(with(o, 1, 1),
                                                     FloodShape{.outstanding = kWindow});
     }},
    {"2to1", "two threads post to a loop", "floor-ring", kRate,
     [](const WorkloadOptions& o) -> StartedWorkload {
       return std::make_unique<Flood<ZmqloopThread>>(with(o, 2, 1), FloodShape{});
     }},
    {"NtoN", "--producers threads post to --loops loops", "floor-ring", kRate,
     [](const WorkloadOptions& o) -> StartedWorkload {
       return std::make_unique<Flood<ZmqloopThread>>(o, FloodShape{});
     }},
    {"loop-loop", "two loops post to each other, 256 closures in flight each way", "floor-rings",
     kRate,
     [](const WorkloadOptions& o) -> StartedWorkload {
       return std::make_unique<Circuit<ZmqloopThread>>(
           with(o, 0, 2), CircuitShape{.tokens = 2 * kEachWay, .sample_every = kSparse});
     }},
    {"self-post", "a callback posts itself again", "floor-ring-self", kRate,
     [](const WorkloadOptions& o) -> StartedWorkload {
       return std::make_unique<Circuit<ZmqloopThread>>(
           with(o, 0, 1), CircuitShape{.tokens = 1, .sample_every = kSparse});
     }},
    {"ping-pong", "one closure between two loops that spin as --idle-spin says", "floor-spin", kHop,
     ping_pong},
    {"ping-pong-asleep", "one closure between two loops that never spin", "floor-eventfd", kHop,
     [](const WorkloadOptions& o) -> StartedWorkload {
       WorkloadOptions asleep = o;
       asleep.idle_spin = Duration::zero();
       return ping_pong(asleep);
     }},
};

}  // namespace

std::span<const Scenario> all_scenarios() { return kScenarios; }

const Scenario* find_scenario(std::string_view name) {
  const auto* const found = std::find_if(std::begin(kScenarios), std::end(kScenarios),
                                         [name](const Scenario& s) { return s.name == name; });
  return found == std::end(kScenarios) ? nullptr : found;
}

std::vector<const Scenario*> select_scenarios(std::span<const std::string> names) {
  const auto is_wanted = [names](const Scenario& scenario) {
    if (names.empty()) return true;
    return std::any_of(names.begin(), names.end(), [&scenario](const std::string& name) {
      const Scenario* const named = find_scenario(name);
      return named != nullptr && (named->name == scenario.name || named->floor == scenario.name);
    });
  };
  std::vector<const Scenario*> selected;
  for (const Scenario& scenario : kScenarios) {
    if (is_wanted(scenario)) selected.push_back(&scenario);
  }
  return selected;
}

}  // namespace zmqloop::bench
