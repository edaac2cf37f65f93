// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Turns SIGINT and SIGTERM into a call of ChecksumJob::interrupt() on the coordinator.
//
// A signal handler may do almost nothing: it may have interrupted malloc(), or a post to the very
// loop it wants to reach. add_callback_from_signal() is made for that. Its callable then runs as an
// ordinary callback.
//
// Threads: one object at a time, made and destroyed on the main thread. The pool's threads block
// signals (LoopOptions::block_signals), so the handler runs on the main thread, too.
// Errors: std::system_error.

#ifndef ZMQLOOP_EXAMPLES_CHECKSUM_INTERRUPT_SIGNALS_H_
#define ZMQLOOP_EXAMPLES_CHECKSUM_INTERRUPT_SIGNALS_H_

#include <csignal>

#include "examples/checksum/checksum_job.h"

#include "zmqloop/zmqloop.h"

namespace checksum {

class InterruptSignals {
 public:
  InterruptSignals(zmqloop::IOLoop& coordinator, ChecksumJob& job);
  InterruptSignals(const InterruptSignals&) = delete;
  InterruptSignals& operator=(const InterruptSignals&) = delete;
  // Restores the previous actions of the signals: from then on Ctrl-C ends the process.
  ~InterruptSignals();

  // Returns whether a signal has arrived, even one too late for the coordinator to see.
  static bool any_came();

 private:
  struct sigaction previous_interrupt_;
  struct sigaction previous_terminate_;
};

}  // namespace checksum

#endif  // ZMQLOOP_EXAMPLES_CHECKSUM_INTERRUPT_SIGNALS_H_
