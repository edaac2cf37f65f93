// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The report of a stall: a callback, timer or handler that keeps its loop from everything else.
//
//   loop.set_blocking_signal_threshold(50ms, [&](const StallReport& stall) {
//     if (stall.ended) metrics.record(stall.loop_name, stall.callable, stall.blocked_for);
//   });
//
// Each callable is measured by itself, from its call to its return or exception, also in the first
// iteration of a run. If it blocks for the threshold, it is reported once while it blocks, and once
// more when it has ended, with its full length. (Thresholds below a millisecond: when the watchdog
// looks, which is once a millisecond.) LoopOptions::stall_reports_per_minute limits the number.
//
// A threshold that a callable sets holds for the callables after it; for itself, too, if there was
// one when it began. A call that replaces or ends a threshold, close() included, first has the ends
// of finished stalls reported. Once it has returned, the earlier action is not called any more, not
// even for the end of a stall that goes on.
//
// One thread calls the actions of all loops, one at a time. An action may post to loops. While it
// runs, the watchdog looks at no loop. An action that waits for a loop to set a threshold or to be
// closed never returns, nor does that loop.
//
// The watchdog sends SIGURG to the blocked thread, which then writes its stack down. So a loop
// unblocks SIGURG in its thread while it runs with a threshold. Like any signal, it may end waits
// such as poll() and nanosleep() early, with EINTR.
//
// Threads: a value.
// Errors: std::bad_alloc.
// Public.

#ifndef ZMQLOOP_RUNTIME_STALLS_STALL_REPORT_H_
#define ZMQLOOP_RUNTIME_STALLS_STALL_REPORT_H_

#include <cstdint>
#include <functional>
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

  // Returns the report as log_stack() writes it, ending with a newline.
  ZMQLOOP_EXPORT std::string text() const;
};

// The watchdog calls it with each report. Never empty.
using StallListener = std::function<void(const StallReport&)>;

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_STALLS_STALL_REPORT_H_
