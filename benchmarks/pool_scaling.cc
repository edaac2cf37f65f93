// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// How much does a post cost with far more loops and producers than cores? (posts/s, and fairness
// among the producers; threads/s that post once; bytes per pair of thread and loop)
//
// scale-posts: one producer per loop, each posting to all loops in turn, for at least a second: 128
// threads on two cores need that long until each had its turns. scale-threads: 10^5 threads that
// post once to the same loop and end, 16 at a time. scale-memory: 64 threads have posted once to
// each of 64 loops.

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

#include "benchmarks/contender.h"
#include "benchmarks/measurement.h"
#include "benchmarks/process_usage.h"

namespace zmqloop::bench {
namespace {

constexpr std::size_t kMost = 64;
constexpr std::size_t kShortThreads = 100'000;

void add_posts(Measurement& measurement) {
  for (const Contender& contender : contenders_in("scale-posts")) {
    for (std::size_t n = 1; n <= kMost; n *= 4) {
      const std::string number = std::to_string(n);
      measurement.add_rate(
          "scale-posts/" + contender.name + "/loops:" + number + "/producers:" + number,
          [contender, n] {
            return contender.flood({.loops = n, .producers = n}, {.to_all_loops = true});
          },
          std::chrono::seconds(1));
    }
  }
}

void add_threads(Measurement& measurement, const std::string& name,
                 const std::function<void(std::size_t)>& run_threads) {
  measurement.add("scale-threads/" + name, [run_threads](benchmark::State& state) {
    const auto memory_before = static_cast<double>(resident_bytes());
    const double cpu_before = process_cpu_ns();
    const TimePoint begin = Clock::now();
    run_threads(kShortThreads);
    const std::chrono::duration<double> length = Clock::now() - begin;
    const auto threads = static_cast<double>(kShortThreads);
    state.SetIterationTime(length.count());
    state.counters["items_per_second"] = threads / length.count();
    state.counters["cpu_ns_per_op"] = (process_cpu_ns() - cpu_before) / threads;
    state.counters["bytes"] = static_cast<double>(resident_bytes()) - memory_before;
    state.counters["ops"] = threads;
  });
}

int run(int argc, char** argv) {
  Measurement measurement(argc, argv);
  add_posts(measurement);
  for (const Contender& contender : contenders_in("scale-threads")) {
    add_threads(measurement, contender.name, contender.post_from_short_threads);
  }
  add_threads(measurement, "floor-thread",
              [](std::size_t count) { run_short_threads(count, [] {}); });
  for (const Contender& contender : contenders_in("scale-memory")) {
    measurement.add_bytes("scale-memory/" + contender.name,
                          [contender] { return contender.bytes_per_pair(kMost, kMost); });
  }
  return measurement.run();
}

}  // namespace
}  // namespace zmqloop::bench

int main(int argc, char** argv) { return zmqloop::bench::run(argc, argv); }
