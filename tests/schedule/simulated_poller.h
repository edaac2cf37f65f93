// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// What stands in for poller/: doorbells that are found by a number, as by a descriptor, and a
// poller that waits for nothing else.

#ifndef ZMQLOOP_TESTS_SCHEDULE_SIMULATED_POLLER_H_
#define ZMQLOOP_TESTS_SCHEDULE_SIMULATED_POLLER_H_

#include "tests/schedule/thread.h"

namespace zmqloop::schedule {

// The number of a doorbell while it exists.
class DoorbellDescriptor {
 public:
  explicit DoorbellDescriptor(Doorbell& bell);
  DoorbellDescriptor(const DoorbellDescriptor&) = delete;
  DoorbellDescriptor& operator=(const DoorbellDescriptor&) = delete;
  ~DoorbellDescriptor();

  int number() const { return number_; }
  // Returns the doorbell of a number that is in use.
  static Doorbell& doorbell(int number);

 private:
  const int number_;
};

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_SIMULATED_POLLER_H_
