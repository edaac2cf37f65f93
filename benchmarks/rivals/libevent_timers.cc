// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// libevent's timers: an event each, assigned once and added again, on a base without locks and with
// the precise timer, a timerfd.

#include <chrono>
#include <cstddef>
#include <vector>

#include "benchmarks/rivals/libevent_base.h"
#include "benchmarks/timer_rows.h"
#include <event2/event.h>
#include <event2/event_struct.h>

namespace zmqloop::bench {
namespace {

class LibeventTimers {
 public:
  LibeventTimers(std::size_t timers, EventSink& sink)
      : sink_(sink),
        timers_(timers),
        base_(new_libevent_base(EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_PRECISE_TIMER)) {
    for (Timer& timer : timers_) {
      evtimer_assign(&timer.expiry, base_.get(), &LibeventTimers::on_timer, &timer);
      timer.owner = this;
    }
  }

  void arm(std::size_t timer, std::chrono::milliseconds delay) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(delay);
    const timeval after{seconds.count(), std::chrono::microseconds(delay - seconds).count()};
    evtimer_add(&timers_[timer].expiry, &after);
  }
  void cancel(std::size_t timer) { evtimer_del(&timers_[timer].expiry); }
  void run() { event_base_dispatch(base_.get()); }

 private:
  struct Timer {
    event expiry;
    LibeventTimers* owner;
  };

  static void on_timer(evutil_socket_t, short, void* fired) {
    const Timer& timer = *static_cast<Timer*>(fired);
    LibeventTimers& self = *timer.owner;
    const auto number = static_cast<std::size_t>(&timer - self.timers_.data());
    if (!self.sink_.on_event(number)) event_base_loopbreak(self.base_.get());
  }

  EventSink& sink_;
  std::vector<Timer> timers_;
  const LibeventBase base_;  // last: freeing it reads the timers
};

const RowRegistration kRegistration(timer_rows<LibeventTimers>("libevent"));

}  // namespace
}  // namespace zmqloop::bench
