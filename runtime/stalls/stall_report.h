// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// What is known of a stall: a callback, timer or handler that keeps its loop from everything else.
//
//   loop.set_blocking_signal_threshold(50ms, [](const StallReport& stall) {
//     if (stall.ended) metrics.record(stall.loop_name, stall.callable, stall.blocked_for);
//   });
//
// Each callable is measured for itself, from its call to its return or exception, also in the first
// iteration of a run. One that blocks for the threshold is reported once while it does, and once
// more when it has ended, with its full length. (Thresholds below a millisecond: when the watchdog
// looks, which is once a millisecond.) LoopOptions::stall_reports_per_minute limits how many are.
//
// A threshold set by a callable holds for the callables after it; for itself, too, if there was one
// when it began. What ends an earlier threshold, close() included, first has the ends of stalls
// reported that are over; a stall that goes on is not heard of again. Then no report comes any
// more.
//
// The actions of all loops are called by one thread, one after another. An action may post to
// loops; while it runs, no loop is looked at. One that waits for a loop to set a threshold or to be
// closed never returns, nor does that loop.
//
// To write its stack down the blocked thread is sent SIGURG, which a loop therefore unblocks in its
// thread while it runs with a threshold. As by any signal, waits such as poll() and nanosleep() may
// be ended early by it, with EINTR.
//
// Threads: a value.
// Errors: std::bad_alloc.
// Public.

#ifndef ZMQLOOP_RUNTIME_STALLS_STALL_REPORT_H_
#define ZMQLOOP_RUNTIME_STALLS_STALL_REPORT_H_

#include <cstdint>
#include <string>
#include <sys/types.h>

#include "zmqloop/threading/host/clock.h"
#include "zmqloop/threading/host/export.h"
#include "zmqloop/threading/host/stack_trace.h"

namespace zmqloop {

struct StallReport {
  std::string loop_name;
  pid_t thread_id = 0;     // the kernel's, as in ps and /proc
  std::string callable;    // the demangled type of the callback, timer or handler
  Duration blocked_for{};  // so far; of a stall that has ended, its length
  StackTrace stack;        // while it blocked; also in the report of its end, where text() omits it
  bool ended = false;
  std::uint64_t suppressed = 0;  // stalls of this loop that were not reported since the last report

  // Returns it as log_stack() writes it, ending with a newline.
  ZMQLOOP_EXPORT std::string text() const;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_STALLS_STALL_REPORT_H_
