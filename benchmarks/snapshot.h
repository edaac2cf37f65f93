// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The values read at the beginning and at the end of a measured window.
//
// Threads: values; read by one thread while a workload runs.
// Errors: none.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_SNAPSHOT_H_
#define ZMQLOOP_BENCHMARKS_SNAPSHOT_H_

#include <chrono>

#include "benchmarks/process_usage.h"
#include "benchmarks/workload.h"

namespace zmqloop::bench {

// The difference between two snapshots.
struct Span {
  double posts;
  double seconds;
  double cpu_ns;
};

struct Snapshot {
  explicit Snapshot(const Workload& workload)
      : posts(static_cast<double>(workload.posts_run())),
        time(Clock::now()),
        cpu_ns(process_cpu_ns()) {}

  Span operator-(const Snapshot& before) const {
    return {.posts = posts - before.posts,
            .seconds = std::chrono::duration<double>(time - before.time).count(),
            .cpu_ns = cpu_ns - before.cpu_ns};
  }

  double posts;
  TimePoint time;
  double cpu_ns;
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_SNAPSHOT_H_
