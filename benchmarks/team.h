// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Threads that begin together: no thread runs its part before all threads exist.
//
// Threads: one thread makes and joins the team.
// Owns: the threads.
// Errors: the constructor throws std::system_error if a thread cannot be made or pinned; then no
// part has run and no thread is left.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_TEAM_H_
#define ZMQLOOP_BENCHMARKS_TEAM_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "absl/synchronization/notification.h"

#include "zmqloop/threading/host/named_thread.h"

namespace zmqloop::bench {

class Team {
 public:
  // Runs part(0), part(1), … part(size - 1), each on its own thread: thread i on CPU
  // cpus[i % cpus.size()], or on any CPU if `cpus` is empty.
  Team(std::size_t size, std::vector<int> cpus, std::function<void(std::size_t)> part);
  // Joins the threads; their parts must be about to end.
  ~Team() { join(); }

  // Waits until all parts have ended. May be called again.
  void join() { threads_.clear(); }

 private:
  // Constant once `go_` is notified.
  const std::function<void(std::size_t)> part_;
  bool cancelled_ = false;

  absl::Notification go_;
  std::vector<std::unique_ptr<NamedThread>> threads_;  // last: threads use the other members
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_TEAM_H_
