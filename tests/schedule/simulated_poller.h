// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Replaces poller/: doorbells with numbers for descriptors, and a poller that waits for doorbells
// alone.

#ifndef ZMQLOOP_TESTS_SCHEDULE_SIMULATED_POLLER_H_
#define ZMQLOOP_TESTS_SCHEDULE_SIMULATED_POLLER_H_

#include "tests/schedule/thread.h"

namespace zmqloop::schedule {

// Gives a doorbell a number while this object exists.
class DoorbellDescriptor {
 public:
  explicit DoorbellDescriptor(Doorbell& bell);
  DoorbellDescriptor(const DoorbellDescriptor&) = delete;
  DoorbellDescriptor& operator=(const DoorbellDescriptor&) = delete;
  ~DoorbellDescriptor();

  int number() const { return number_; }
  // Returns the doorbell with this number, which must be in use.
  static Doorbell& doorbell(int number);

 private:
  const int number_;
};

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_SIMULATED_POLLER_H_
