// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The library's poller/waker.h with a simulated doorbell: as there, a mutex orders wake() and
// close().

#ifndef ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_POLLER_WAKER_H_
#define ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_POLLER_WAKER_H_

#include <mutex>

#include "tests/schedule/simulated_poller.h"
#include "tests/schedule/thread.h"

#include "zmqloop/threading/host/descriptor_preflight.h"

namespace zmqloop {

class Waker {
 public:
  explicit Waker(DescriptorLimit) {}
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  void wake() noexcept {
    const std::lock_guard lock(mutex_);
    if (open_) bell_.ring();
  }
  void drain() noexcept { bell_.drain(); }
  int fd() const noexcept { return descriptor_.number(); }
  void close() noexcept {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }

 private:
  schedule::Mutex mutex_;
  bool open_ = true;
  schedule::Doorbell bell_;
  const schedule::DoorbellDescriptor descriptor_{bell_};
};

}  // namespace zmqloop

#endif  // ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_POLLER_WAKER_H_
