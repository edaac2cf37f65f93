// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Measures the costs of posting threads beyond their posts: of threads that start, post once and
// end, and of threads that post to many loops.
//
// Threads: one caller; it starts and joins the others.
// Errors: exceptions from making loops or threads are passed on; std::runtime_error if a post was
// lost.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_MANY_PRODUCERS_H_
#define ZMQLOOP_BENCHMARKS_MANY_PRODUCERS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <latch>
#include <stdexcept>
#include <thread>
#include <vector>

#include "benchmarks/loop_group.h"
#include "benchmarks/loop_lives.h"
#include "benchmarks/process_usage.h"
#include "benchmarks/team.h"

namespace zmqloop::bench {

// Starts `count` threads, a few at a time; each runs `part` once and ends.
inline void run_short_threads(std::size_t count, const std::function<void()>& part) {
  constexpr std::size_t kAtATime = 16;
  std::vector<std::thread> threads;
  for (std::size_t left = count; left > 0; left -= threads.size()) {
    threads.clear();
    while (threads.size() < std::min(left, kAtATime)) threads.emplace_back(part);
    for (std::thread& thread : threads) thread.join();
  }
}

// Lets `count` threads post to one loop, once each.
template <class Loop>
void post_from_short_threads(std::size_t count) {
  std::latch ran(static_cast<std::ptrdiff_t>(count));
  Loop loop(LoopSetup{});
  run_short_threads(count, [&] { loop.post(CountDown{&ran, {}}); });
  loop.finish();
  loop.join();
  if (!ran.try_wait()) throw std::runtime_error("posts of threads that have ended were lost");
}

// Lets each thread post once to each loop. Returns the memory that this took, in bytes per pair of
// thread and loop.
template <class Loop>
std::uint64_t bytes_per_pair(std::size_t producers, std::size_t loop_count) {
  LoopGroup<Loop> loops(WorkloadOptions{.loops = loop_count});
  std::latch loops_started(static_cast<std::ptrdiff_t>(loop_count));
  for (std::size_t i = 0; i < loop_count; ++i) loops[i].post(CountDown{&loops_started, {}});
  loops_started.wait();

  const std::size_t pairs = producers * loop_count;
  std::latch ready(static_cast<std::ptrdiff_t>(producers));
  std::latch begin(1);
  std::latch ran(static_cast<std::ptrdiff_t>(pairs));
  std::latch end(1);
  Team threads(producers, {}, [&](std::size_t /*producer*/) {
    ready.count_down();
    begin.wait();
    for (std::size_t i = 0; i < loop_count; ++i) loops[i].post(CountDown{&ran, {}});
    end.wait();
  });
  ready.wait();
  const std::uint64_t before = resident_bytes();
  begin.count_down();
  ran.wait();
  const std::uint64_t after = resident_bytes();
  end.count_down();
  threads.join();
  return (std::max(after, before) - before) / pairs;
}

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_MANY_PRODUCERS_H_
