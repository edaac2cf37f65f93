// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Several loops of one library, each on its own thread.
//
// Threads: one thread makes and joins the group; any thread may use the loops.
// Owns: the loops and their threads.
// Errors: the constructor passes on exceptions from making a loop or thread, once the loops made
// before have ended.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_LOOP_GROUP_H_
#define ZMQLOOP_BENCHMARKS_LOOP_GROUP_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "benchmarks/loop_setup.h"
#include "benchmarks/workload.h"

namespace zmqloop::bench {

template <class Loop>
class LoopGroup {
 public:
  explicit LoopGroup(const WorkloadOptions& options) {
    for (std::size_t i = 0; i < options.loops; ++i) {
      loops_.push_back(std::make_unique<Loop>(
          LoopSetup{.cpu = options.cpu_of(i), .idle_spin = options.idle_spin}));
    }
  }

  LoopGroup(const LoopGroup&) = delete;
  LoopGroup& operator=(const LoopGroup&) = delete;
  // Ends all loops before it destroys the first: they post to each other.
  ~LoopGroup() {
    finish();
    join();
  }

  std::size_t size() const noexcept { return loops_.size(); }
  Loop& operator[](std::size_t i) noexcept { return *loops_[i]; }

  // Lets each loop run its earlier posts, then end.
  void finish() {
    for (const std::unique_ptr<Loop>& loop : loops_) loop->finish();
  }
  void join() {
    for (const std::unique_ptr<Loop>& loop : loops_) loop->join();
  }

 private:
  std::vector<std::unique_ptr<Loop>> loops_;
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_LOOP_GROUP_H_
