// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// This library as a contender of the benchmarks: a LoopThread.
//
// Threads, owns: as LoopThread. It meets the requirements in contender.h.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_ZMQLOOP_THREAD_H_
#define ZMQLOOP_BENCHMARKS_ZMQLOOP_THREAD_H_

#include "benchmarks/loop_setup.h"

#include "zmqloop/runtime/pool/loop_thread.h"

namespace zmqloop::bench {

class ZmqloopThread {
 public:
  explicit ZmqloopThread(const LoopSetup& setup)
      : thread_({.name = "loop", .cpu = setup.cpu, .loop = {.idle_spin = setup.idle_spin}}) {}

  template <class F>
  bool post(const F& f) {
    return thread_.loop().add_callback(f);
  }
  void finish() {
    post([this] { thread_.stop(); });
  }
  void join() { thread_.join(); }

 private:
  LoopThread thread_;
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_ZMQLOOP_THREAD_H_
