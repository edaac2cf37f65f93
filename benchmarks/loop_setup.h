// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The options of each loop that a workload makes, the same for every library.
//
// Threads: values.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_LOOP_SETUP_H_
#define ZMQLOOP_BENCHMARKS_LOOP_SETUP_H_

#include <optional>

#include "zmqloop/threading/host/clock.h"

namespace zmqloop::bench {

struct LoopSetup {
  std::optional<int> cpu = {};             // the CPU to run on; if empty, any
  std::optional<Duration> idle_spin = {};  // LoopOptions::idle_spin; for libraries that can spin
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_LOOP_SETUP_H_
