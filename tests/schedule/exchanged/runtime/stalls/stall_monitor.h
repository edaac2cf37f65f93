// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The library's runtime/stalls/stall_monitor.h without a watchdog: no threshold is ever set.

#ifndef ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_RUNTIME_STALLS_STALL_MONITOR_H_
#define ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_RUNTIME_STALLS_STALL_MONITOR_H_

#include <cstddef>
#include <typeinfo>

namespace zmqloop {

class StallProbe;

class StallMonitor {
 public:
  explicit StallMonitor(std::size_t) {}
  void disable() {}
  StallProbe* probe() const noexcept { return nullptr; }
  template <class F>
  auto watched(const std::type_info&, F&& f) {
    return f();
  }
};

}  // namespace zmqloop

#endif  // ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_RUNTIME_STALLS_STALL_MONITOR_H_
