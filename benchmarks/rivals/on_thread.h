// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Runs a rival's loop on its own thread.
//
// `Core` is the rival's loop: run() runs it until one of its own callbacks calls stop(). Any thread
// may call post(f), also before run().
//
// Threads: post() and finish() any; join() the thread that made the object.
// Owns: the loop and its thread.
// Errors: std::system_error from starting or pinning the thread.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_RIVALS_ON_THREAD_H_
#define ZMQLOOP_BENCHMARKS_RIVALS_ON_THREAD_H_

#include <thread>

#include "benchmarks/loop_setup.h"

#include "zmqloop/threading/host/usable_cores.h"

namespace zmqloop::bench {

template <class Core>
class OnThread {
 public:
  explicit OnThread(const LoopSetup& setup)
      : thread_([this, cpu = setup.cpu] {
          if (cpu) pin_this_thread(*cpu);
          core_.run();
        }) {}
  OnThread(const OnThread&) = delete;
  OnThread& operator=(const OnThread&) = delete;
  ~OnThread() {
    if (!thread_.joinable()) return;
    finish();
    join();
  }

  template <class F>
  bool post(const F& f) {
    core_.post(f);
    return true;
  }
  void finish() {
    post([this] { core_.stop(); });
  }
  void join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  Core core_;
  std::thread thread_;  // last: it runs the loop
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_RIVALS_ON_THREAD_H_
