#include "zmqloop/runtime/periodic_callback.h"

#include <string>

namespace zmqloop {

// While a call is in flight no timer is armed: complete() schedules the next tick, whatever stops
// and starts there were meanwhile. So there is one chain of ticks, and no two calls at a time.
void PeriodicTimer::start() {
  if (is_running()) return;
  std::shared_ptr<LoopIdentity> identity = loop_for("PeriodicCallback::start");
  IOLoop& loop = *identity->loop();
  IOLoop* const calling = in_flight_ ? open_loop() : nullptr;  // null also if that loop is gone
  if (calling == &loop) {
    check_thread();
    last_ = loop.time();
    set_running(true);
    return;
  }
  if (calling != nullptr) {
    throw std::logic_error("PeriodicCallback::start: on loop '" + loop.name() +
                           "', while its last call is not over on loop '" + calling->name() + "'");
  }
  // Here and not once: processes forked after the construction draw differently.
  if (schedule_.is_random()) random_.seed(std::random_device()());
  const TimePoint now = loop.time();
  schedule_tick(std::move(identity), now, now);
  in_flight_ = false;
}

void PeriodicTimer::fire() {
  in_flight_ = true;
  try {
    if (!call(*open_loop())) return;
  } catch (...) {
    complete();
    throw;
  }
  complete();
}

void PeriodicTimer::complete() {
  const bool goes_on = is_running();
  in_flight_ = false;  // the last access, if it was stopped: it may be started elsewhere now
  if (!goes_on) return;
  set_running(false);  // and so it stays if scheduling fails
  schedule_tick(started_on(), last_, open_loop()->time());
}

void PeriodicTimer::schedule_tick(std::shared_ptr<LoopIdentity> loop, TimePoint last,
                                  TimePoint now) {
  const double draw = schedule_.is_random() ? std::generate_canonical<double, 53>(random_) : 0.5;
  const TimePoint deadline = schedule_.next(last, now, draw);
  arm(std::move(loop), deadline);
  last_ = deadline;
}

}  // namespace zmqloop
