// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/stalls/stall_monitor.h"

#include <utility>

#include "zmqloop/runtime/stalls/stall_watchdog.h"
#include "zmqloop/threading/host/stack_capture.h"
#include "zmqloop/threading/host/thread_label.h"

namespace zmqloop {

void StallMonitor::enable(const std::string& loop_name, Duration threshold, StallListener action) {
  StallWatchdog& watchdog = StallWatchdog::get();
  if (watch_ == nullptr) {
    watch_ = std::make_shared<StallWatch>(loop_name, reports_per_minute_, watchdog.wake_up());
  }
  watchdog.watch(watch_, {threshold, std::move(action)});
  probe_ = &watch_->probe();
  if (in_run_) attach_thread();
}

void StallMonitor::disable() {
  if (probe_ == nullptr) return;
  probe_ = nullptr;
  StallWatchdog::get().unwatch(watch_);
}

void StallMonitor::begin_run() {
  in_run_ = true;
  if (probe_ != nullptr) attach_thread();
}

void StallMonitor::end_run() noexcept {
  in_run_ = false;
  if (std::exchange(has_unblocked_, false)) stack_capture::block_here();
}

void StallMonitor::attach_thread() {
  probe_->set_thread(current_thread_id());
  if (stack_capture::unblock_here()) has_unblocked_ = true;
}

}  // namespace zmqloop
