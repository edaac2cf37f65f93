// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// libev's timers: an ev_timer each. Their delays count from the loop's cached time, as its
// documentation recommends.

#include <chrono>
#include <cstddef>
#include <ev.h>
#include <vector>

#include "benchmarks/timer_rows.h"

namespace zmqloop::bench {
namespace {

class LibevTimers {
 public:
  LibevTimers(std::size_t timers, EventSink& sink)
      : sink_(sink), loop_(ev_loop_new(EVFLAG_AUTO)), timers_(timers) {
    for (Timer& timer : timers_) {
      ev_init(&timer, &LibevTimers::on_timer);
      timer.owner = this;
    }
  }
  LibevTimers(const LibevTimers&) = delete;
  LibevTimers& operator=(const LibevTimers&) = delete;
  ~LibevTimers() { ev_loop_destroy(loop_); }

  void arm(std::size_t timer, std::chrono::milliseconds delay) {
    Timer& armed = timers_[timer];
    ev_timer_set(&armed, std::chrono::duration<double>(delay).count(), 0.);
    ev_timer_start(loop_, &armed);
  }
  void cancel(std::size_t timer) { ev_timer_stop(loop_, &timers_[timer]); }
  void run() { ev_run(loop_, 0); }

 private:
  struct Timer : ev_timer {
    LibevTimers* owner;
  };

  static void on_timer(struct ev_loop* loop, ev_timer* fired, int) {
    const Timer& timer = static_cast<Timer&>(*fired);
    const auto number = static_cast<std::size_t>(&timer - timer.owner->timers_.data());
    if (!timer.owner->sink_.on_event(number)) ev_break(loop, EVBREAK_ALL);
  }

  EventSink& sink_;
  struct ev_loop* const loop_;
  std::vector<Timer> timers_;
};

const RowRegistration kRegistration(timer_rows<LibevTimers>("libev"));

}  // namespace
}  // namespace zmqloop::bench
