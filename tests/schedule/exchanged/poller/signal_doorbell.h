// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The library's poller/signal_doorbell.h with a simulated doorbell.

#ifndef ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_POLLER_SIGNAL_DOORBELL_H_
#define ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_POLLER_SIGNAL_DOORBELL_H_

#include "tests/schedule/simulated_poller.h"
#include "tests/schedule/thread.h"

namespace zmqloop {

class SignalDoorbell {
 public:
  SignalDoorbell() = default;
  SignalDoorbell(const SignalDoorbell&) = delete;
  SignalDoorbell& operator=(const SignalDoorbell&) = delete;

  void ring() noexcept { bell_.ring(); }
  void drain() noexcept { bell_.drain(); }
  int fd() const noexcept { return descriptor_.number(); }

 private:
  schedule::Doorbell bell_;
  const schedule::DoorbellDescriptor descriptor_{bell_};
};

}  // namespace zmqloop

#endif  // ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_POLLER_SIGNAL_DOORBELL_H_
