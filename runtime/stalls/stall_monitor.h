// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A loop's side of stall detection: holds its threshold, and makes its thread ready to be asked for
// its stack.
//
// Threads: loop thread.
// Owns: the watch that it shares with the watchdog's thread, from the first threshold on.
// Errors: those of StallWatchdog::watch(), with nothing changed.
// Internal: see IOLoop::set_blocking_signal_threshold().

#ifndef ZMQLOOP_RUNTIME_STALLS_STALL_MONITOR_H_
#define ZMQLOOP_RUNTIME_STALLS_STALL_MONITOR_H_

#include <cstddef>
#include <memory>
#include <string>

#include "zmqloop/runtime/stalls/stall_probe.h"
#include "zmqloop/runtime/stalls/stall_report.h"
#include "zmqloop/runtime/stalls/stall_watch.h"
#include "zmqloop/threading/host/clock.h"
#include "zmqloop/threading/host/export.h"

namespace zmqloop {

class StallMonitor {
 public:
  explicit StallMonitor(std::size_t reports_per_minute) : reports_per_minute_(reports_per_minute) {}
  StallMonitor(const StallMonitor&) = delete;
  StallMonitor& operator=(const StallMonitor&) = delete;
  ~StallMonitor() { disable(); }

  // Has each callable reported that blocks for `threshold`, from the next callable on.
  void enable(const std::string& loop_name, Duration threshold, StallListener action);
  // Ends the reports at once. Not enabled: no effect.
  ZMQLOOP_EXPORT void disable();

  // Returns the probe that notes each callable; null while there is no threshold. Check this first
  // if looking up the type is not free.
  StallProbe* probe() const noexcept { return probe_; }

  // Calls `f`, which is or runs a callable of that type, and notes it while there is a threshold.
  template <class F>
  auto watched(const std::type_info& type, F&& f) {
    if (probe_ == nullptr) [[likely]]
      return f();
    const StallProbe::Watching watching(*probe_, type);
    return f();
  }

  // Prepare the calling thread for a run of the loop, and restore it.
  void begin_run();
  void end_run() noexcept;

 private:
  void attach_thread();

  const std::size_t reports_per_minute_;
  std::shared_ptr<StallWatch> watch_;  // made with the first threshold
  StallProbe* probe_ = nullptr;
  bool in_run_ = false;
  bool has_unblocked_ = false;  // the signal that asks for a stack, in the thread that runs
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_STALLS_STALL_MONITOR_H_
