// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/callbacks/delayed_callback.h"

namespace zmqloop {

void DelayedTimer::start() {
  std::shared_ptr<LoopCore> core = loop_for_start();
  const LoopAffinity::Access access(core->affinity(), "DelayedCallback::start");
  stop("DelayedCallback::start");
  const TimePoint now = core->now();
  arm(std::move(core), Deadline(delay_).from(now));
}

void DelayedTimer::call_begins() { set_running(false); }

}  // namespace zmqloop
