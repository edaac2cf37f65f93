// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// How much do idle loops cost? (bytes per idle loop, ns to make and end one, % of CPU time while
// idle) And how much does a post cost, both sides together? (ns of CPU time)
//
// W9-memory and W9-idle: 64 loops, each on its own thread, which is counted too; each loop has run
// one callable. W9-start: a loop is made on a thread, runs one callable, ends and is joined. CPU:
// as W1 in dispatch_throughput.cc. The floors are bare threads, and a bare ring for CPU.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "benchmarks/bare_ring.h"
#include "benchmarks/contender.h"
#include "benchmarks/measurement.h"
#include "benchmarks/process_usage.h"

#include "zmqloop/threading/host/usable_cores.h"

namespace zmqloop::bench {
namespace {

constexpr std::size_t kLoops = 64;
constexpr Duration kLeastIdleTime = std::chrono::seconds(1);

using MakeIdle = std::function<std::shared_ptr<void>(std::size_t count)>;

// Threads that sleep until they are destroyed.
class SleepingThreads {
 public:
  explicit SleepingThreads(std::size_t count) {
    threads_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      threads_.emplace_back([this] {
        ++started_;
        end_.wait(false);
      });
    }
    while (started_ != count) std::this_thread::yield();
  }
  SleepingThreads(const SleepingThreads&) = delete;
  SleepingThreads& operator=(const SleepingThreads&) = delete;
  ~SleepingThreads() {
    end_ = true;
    end_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  std::atomic<std::size_t> started_{0};
  std::atomic<bool> end_{false};
  std::vector<std::thread> threads_;
};

// Returns the memory of one more loop. A first loop is made before and not counted: it brings the
// things that a process has only once, such as the threads of a context, and code pages run for the
// first time.
std::uint64_t bytes_per_loop(const MakeIdle& make) {
  const std::shared_ptr<void> first = make(1);
  const std::uint64_t before = resident_bytes();
  const std::shared_ptr<void> loops = make(kLoops);
  const std::uint64_t after = resident_bytes();
  return (after - before) / kLoops;
}

void measure_idle(benchmark::State& state, const MakeIdle& make, Duration window) {
  const std::shared_ptr<void> loops = make(kLoops);
  // Meanwhile, work that a library still does after its last callable, such as spinning, ends.
  std::this_thread::sleep_for(window / 2);
  const std::uint64_t switches_before = voluntary_switches_of_others();
  const double cpu_before = process_cpu_ns();
  const TimePoint begin = Clock::now();
  std::this_thread::sleep_for(window);
  const std::chrono::duration<double> length = Clock::now() - begin;
  const double cpu_ns = process_cpu_ns() - cpu_before;
  const std::uint64_t switches = voluntary_switches_of_others() - switches_before;
  state.SetIterationTime(length.count());
  state.counters["cpu_percent"] = cpu_ns / 1e9 / length.count() * 100;
  state.counters["wakeups_per_second"] = static_cast<double>(switches) / length.count();
}

void add_idle(Measurement& measurement, const std::string& name, const MakeIdle& make) {
  const Duration window = std::max(measurement.window(), kLeastIdleTime);
  measurement.add("W9-idle/" + name,
                  [make, window](benchmark::State& state) { measure_idle(state, make, window); });
}

void add_floors(Measurement& measurement) {
  const MakeIdle sleep = [](std::size_t count) { return std::make_shared<SleepingThreads>(count); };
  measurement.add_bytes("W9-memory/floor-thread", [sleep] { return bytes_per_loop(sleep); });
  measurement.add_duration("W9-start/floor-thread", [] { std::thread([] {}).join(); });
  add_idle(measurement, "floor-thread", sleep);
  measurement.add_rate("CPU/floor-ring", [] {
    return std::make_unique<RingFlood>(WorkloadOptions{.cpus = usable_cpus()});
  });
}

int run(int argc, char** argv) {
  Measurement measurement(argc, argv);
  for (const Contender& contender : contenders_in("W9-memory")) {
    measurement.add_bytes("W9-memory/" + contender.name,
                          [contender] { return bytes_per_loop(contender.make_idle_loops); });
  }
  for (const Contender& c : contenders_in("W9-start")) {
    measurement.add_duration("W9-start/" + c.name, c.start_and_join);
  }
  for (const Contender& c : contenders_in("W9-idle")) {
    add_idle(measurement, c.name, c.make_idle_loops);
  }
  for (const Contender& contender : contenders_in("CPU")) {
    measurement.add_rate("CPU/" + contender.name,
                         [contender] { return contender.flood({.cpus = usable_cpus()}, {}); });
  }
  add_floors(measurement);
  return measurement.run();
}

}  // namespace
}  // namespace zmqloop::bench

int main(int argc, char** argv) { return zmqloop::bench::run(argc, argv); }
