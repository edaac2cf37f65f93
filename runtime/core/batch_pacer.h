// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Lets a few posts pile up before a busy loop takes the next batch.
//
// A loop that catches up with a stream of posts item by item pays a cache-line transfer for each
// item and slows the poster down as much. A loop that looks a little later takes them in batches,
// several times faster. The pause grows while small batches of more than one keep coming, and ends
// with the first look that finds nothing: a single message, or a ping-pong, never pays for it.
//
// Threads: loop thread only.
// Internal.

#ifndef ZMQLOOP_RUNTIME_CORE_BATCH_PACER_H_
#define ZMQLOOP_RUNTIME_CORE_BATCH_PACER_H_

#include <algorithm>
#include <cstdint>

#include "zmqloop/threading/host/cpu_hints.h"

namespace zmqloop {

class BatchPacer {
 public:
  // Whether to call pause_after() for a batch of this size: one post at a time needs no call.
  bool minds(std::uint64_t batch) const noexcept { return batch != 1 || steps_ != 0; }
  // Reports the size of the batch just run, and pauses if waiting for more is worth it.
  void pause_after(std::uint64_t batch) noexcept {
    if (batch == 0) {
      steps_ = 0;
    } else if (batch == 1) {
      steps_ /= 2;
    } else if (batch < kLargeEnough) {
      steps_ = std::min(steps_ * 2 + kFirstSteps, kMostSteps);
    }
    for (int i = 0; i < steps_; ++i) cpu_relax();
  }

 private:
  static constexpr std::uint64_t kLargeEnough = 256;
  static constexpr int kFirstSteps = 4;
  static constexpr int kMostSteps = 16;  // half a microsecond, where a pause takes 30 ns

  int steps_ = 0;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_CORE_BATCH_PACER_H_
