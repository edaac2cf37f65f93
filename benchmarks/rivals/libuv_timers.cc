// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// libuv's timers: a uv_timer_t each. They count whole milliseconds from the loop's cached time.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <uv.h>
#include <vector>

#include "benchmarks/timer_rows.h"

namespace zmqloop::bench {
namespace {

class LibuvTimers {
 public:
  LibuvTimers(std::size_t timers, EventSink& sink) : sink_(sink), timers_(timers) {
    uv_loop_init(&loop_);
    for (uv_timer_t& timer : timers_) {
      uv_timer_init(&loop_, &timer);
      timer.data = this;
    }
  }
  LibuvTimers(const LibuvTimers&) = delete;
  LibuvTimers& operator=(const LibuvTimers&) = delete;
  ~LibuvTimers() {
    for (uv_timer_t& timer : timers_) uv_close(reinterpret_cast<uv_handle_t*>(&timer), nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    uv_loop_close(&loop_);
  }

  void arm(std::size_t timer, std::chrono::milliseconds delay) {
    uv_timer_start(&timers_[timer], &LibuvTimers::on_timer,
                   static_cast<std::uint64_t>(delay.count()), 0);
  }
  void cancel(std::size_t timer) { uv_timer_stop(&timers_[timer]); }
  void run() { uv_run(&loop_, UV_RUN_DEFAULT); }

 private:
  static void on_timer(uv_timer_t* timer) {
    LibuvTimers& self = *static_cast<LibuvTimers*>(timer->data);
    const auto number = static_cast<std::size_t>(timer - self.timers_.data());
    if (!self.sink_.on_event(number)) uv_stop(&self.loop_);
  }

  EventSink& sink_;
  uv_loop_t loop_;
  std::vector<uv_timer_t> timers_;
};

const RowRegistration kRegistration(timer_rows<LibuvTimers>("libuv"));

}  // namespace
}  // namespace zmqloop::bench
