// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/callbacks/periodic_callback.h"

#include <stdexcept>

namespace zmqloop {

// While a call is in flight no timer is armed: call_is_over() schedules the next tick, even after
// stops and starts in between. So there is one chain of ticks, and never two calls at a time.
void PeriodicTimer::start() {
  std::shared_ptr<LoopCore> core = is_running() ? started_on() : loop_for_start();
  const LoopAffinity::Access access(core->affinity(), "PeriodicCallback::start");
  if (is_running()) return;
  LoopCore* const calling = in_flight_ ? open_loop() : nullptr;  // null also if that loop is closed
  const TimePoint now = core->now();
  if (calling == core.get()) {
    last_ = now;
    set_running(true);
    return;
  }
  if (calling != nullptr) {
    throw std::logic_error("PeriodicCallback::start: on loop '" + core->affinity().name() +
                           "', while its last call is not over on loop '" +
                           calling->affinity().name() + "'");
  }
  // Seeds at each start, so that processes forked after the construction draw different numbers.
  if (schedule_.is_random()) random_.seed(std::random_device()());
  schedule_tick(std::move(core), now, now);
  in_flight_ = false;
}

void PeriodicTimer::set_period(AnyPeriod period) {
  LoopCore* const core = loop_for_calls();
  if (core == nullptr) return schedule_.set_period(period);
  const LoopAffinity::Access access(core->affinity(), "PeriodicCallback::set_period",
                                    LoopAffinity::AfterClose::kNothing);
  schedule_.set_period(period);
}

void PeriodicTimer::call_is_over() {
  const bool goes_on = is_running() && is_owned();
  in_flight_ = false;  // if stopped, the last access: from here on another loop may start it
  if (!goes_on) return;
  set_running(false);  // remains false if scheduling fails
  schedule_tick(started_on(), last_, started_on()->now());
}

void PeriodicTimer::schedule_tick(std::shared_ptr<LoopCore> core, TimePoint last, TimePoint now) {
  const double draw = schedule_.is_random() ? std::generate_canonical<double, 53>(random_) : 0.5;
  const TimePoint deadline = schedule_.next(last, now, draw);
  arm(std::move(core), deadline);
  last_ = deadline;
}

}  // namespace zmqloop
