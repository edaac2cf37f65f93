// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Turns SIGINT and SIGTERM into a call of ChecksumJob::interrupt() on the coordinator.
//
// A handler may do next to nothing: it can interrupt malloc() or a post to the very loop it wants
// to reach. add_callback_from_signal() is made for that. From then on it is a callback like any
// other.
//
// Threads: one object at a time, made and destroyed on the main thread. The pool's threads are told
// to block signals (LoopOptions::block_signals), so the handler runs on the main thread, too.
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
  // Puts back what the signals did before: from then on Ctrl-C ends the process.
  ~InterruptSignals();

  // Returns whether a signal has come, even so late that the coordinator will not hear of it.
  static bool any_came();

 private:
  struct sigaction previous_interrupt_;
  struct sigaction previous_terminate_;
};

}  // namespace checksum

#endif  // ZMQLOOP_EXAMPLES_CHECKSUM_INTERRUPT_SIGNALS_H_
