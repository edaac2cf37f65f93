// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Loops that are made, stay idle, and end: measures the cost of having loops.
//
// Threads: one, beside the loops' own.
// Errors: exceptions from making a loop or thread are passed on.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_LOOP_LIVES_H_
#define ZMQLOOP_BENCHMARKS_LOOP_LIVES_H_

#include <cstddef>
#include <latch>
#include <memory>

#include "benchmarks/loop_group.h"
#include "benchmarks/loop_setup.h"
#include "benchmarks/team.h"
#include "benchmarks/workload.h"

namespace zmqloop::bench {

// The callable that is posted here; 32 bytes, as in flood.h.
struct CountDown {
  std::latch* latch;
  unsigned char payload[24];
  void operator()() const { latch->count_down(); }
};

// Makes a loop on a thread, lets it run one callable, and ends it.
template <class Loop>
void start_and_join() {
  std::latch ran(1);
  Loop loop(LoopSetup{});
  loop.post(CountDown{&ran, {}});
  loop.finish();
  loop.join();
  ran.wait();
}

// Makes loops that have run one callable each and have nothing more to do. They end when the
// returned object is destroyed.
template <class Loop>
std::shared_ptr<void> make_idle_loops(std::size_t count) {
  auto loops = std::make_shared<LoopGroup<Loop>>(WorkloadOptions{.loops = count});
  std::latch ran(static_cast<std::ptrdiff_t>(count));
  for (std::size_t i = 0; i < count; ++i) (*loops)[i].post(CountDown{&ran, {}});
  ran.wait();
  return loops;
}

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_LOOP_LIVES_H_
