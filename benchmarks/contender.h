// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A loop library that takes part in the dispatch benchmarks, and the list of all of them.
//
// This library is always in the list. A rival adds itself, from its own file in rivals/:
//
//   const Registration kRegistration(make_contender<OnThread<LibuvLoop>>("libuv"));
//
// The requirements of a Loop, which is a loop on its own thread:
//
//   explicit Loop(const LoopSetup&);     starts the thread; the destructor ends it
//   template <class F> bool post(F f);   any thread: runs f, a trivially copyable callable of 32
//                                        bytes, on the loop, in order; false if it never will
//   void finish();                       any thread: lets the loop run its posts, then end
//   void join();                         waits for that end; may be called again
//
// The workloads are templates, instantiated here once per contender. So a post costs the same as
// for a user of that library: no virtual call, no conversion.
//
// Threads: the list is filled before main() and constant afterwards.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_CONTENDER_H_
#define ZMQLOOP_BENCHMARKS_CONTENDER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "benchmarks/circuit.h"
#include "benchmarks/flood.h"
#include "benchmarks/loop_lives.h"
#include "benchmarks/many_producers.h"
#include "benchmarks/workload.h"

namespace zmqloop::bench {

struct Contender {
  std::string name;
  std::string only;  // the only workload it takes part in; if empty, all
  StartedWorkload (*flood)(const WorkloadOptions& options, FloodShape shape) = nullptr;
  StartedWorkload (*circuit)(const WorkloadOptions& options, CircuitShape shape) = nullptr;
  void (*start_and_join)() = nullptr;
  std::shared_ptr<void> (*make_idle_loops)(std::size_t count) = nullptr;
  void (*post_from_short_threads)(std::size_t count) = nullptr;
  std::uint64_t (*bytes_per_pair)(std::size_t producers, std::size_t loops) = nullptr;
};

template <class Loop>
Contender make_contender(std::string name, std::string only = "") {
  return {
      .name = std::move(name),
      .only = std::move(only),
      .flood = [](const WorkloadOptions& options, FloodShape shape) -> StartedWorkload {
        return std::make_unique<Flood<Loop>>(options, shape);
      },
      .circuit = [](const WorkloadOptions& options, CircuitShape shape) -> StartedWorkload {
        return std::make_unique<Circuit<Loop>>(options, shape);
      },
      .start_and_join = &start_and_join<Loop>,
      .make_idle_loops = &make_idle_loops<Loop>,
      .post_from_short_threads = &post_from_short_threads<Loop>,
      .bytes_per_pair = &bytes_per_pair<Loop>,
  };
}

// Returns the contenders of a workload, this library first.
std::vector<Contender> contenders_in(std::string_view workload);

// Adds a contender to the list.
class Registration {
 public:
  explicit Registration(Contender contender);
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_CONTENDER_H_
