// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// How many timers can be armed and cancelled, or armed and fired, in a second, and how many
// nanoseconds late do they fire?
//
// W6 of docs/performance.md. The floors: a bare timing wheel, and a bare timerfd for lateness.

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <sys/timerfd.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "benchmarks/timer_rows.h"
#include "benchmarks/timing_wheel.h"

#include "zmqloop/runtime/loop/io_loop.h"

namespace zmqloop::bench {
namespace {

using std::chrono::milliseconds;

class ZmqloopTimers {
 public:
  ZmqloopTimers(std::size_t timers, EventSink& sink) : sink_(sink), handles_(timers) {}

  void arm(std::size_t timer, milliseconds delay) {
    handles_[timer] = loop_.call_later(delay, [this, timer] {
      if (!sink_.on_event(timer)) loop_.stop();
    });
  }
  void cancel(std::size_t timer) { loop_.remove_timeout(handles_[timer]); }
  void run() { loop_.start(); }

 private:
  EventSink& sink_;
  std::vector<TimeoutHandle> handles_;
  IOLoop loop_;
};

class WheelTimers {
 public:
  WheelTimers(std::size_t timers, EventSink& sink)
      : sink_(sink), timers_(timers), wheel_(std::make_unique<TimingWheel>()), done_(now()) {}

  void arm(std::size_t timer, milliseconds delay) {
    wheel_->arm(timers_[timer], now() + static_cast<std::uint64_t>(delay.count()) + 1);
  }
  void cancel(std::size_t timer) { TimingWheel::cancel(timers_[timer]); }
  void run() {
    for (bool more = true; more;) {
      const std::uint64_t tick = now();
      wheel_->advance(done_ + 1, tick, [&](const TimingWheel::Timer& timer) {
        more = sink_.on_event(static_cast<std::size_t>(&timer - timers_.data()));
      });
      done_ = tick;
    }
  }

 private:
  static std::uint64_t now() {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<milliseconds>(Clock::now().time_since_epoch()).count());
  }

  EventSink& sink_;
  std::vector<TimingWheel::Timer> timers_;
  const std::unique_ptr<TimingWheel> wheel_;
  std::uint64_t done_;  // the last tick whose timers have fired
};

// One timer, a timerfd: arm() sets it, and run() blocks in read() until it expires.
class TimerfdTimers {
 public:
  TimerfdTimers(std::size_t, EventSink& sink)
      : sink_(sink), fd_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)) {
    if (fd_ < 0) throw std::system_error(errno, std::system_category(), "timerfd_create");
  }
  TimerfdTimers(const TimerfdTimers&) = delete;
  TimerfdTimers& operator=(const TimerfdTimers&) = delete;
  ~TimerfdTimers() { close(fd_); }

  void arm(std::size_t, milliseconds delay) {
    const itimerspec when{{0, 0}, {0, std::chrono::nanoseconds(delay).count()}};
    timerfd_settime(fd_, 0, &when, nullptr);
  }
  void run() {
    std::uint64_t expirations;
    do {
      while (read(fd_, &expirations, sizeof expirations) < 0) continue;
    } while (sink_.on_event(0));
  }

 private:
  EventSink& sink_;
  const int fd_;
};

std::vector<Row> rows() {
  std::vector<Row> all = timer_rows<ZmqloopTimers>("zmqloop");
  for (Row& row : timer_cost_rows<WheelTimers>("floor-wheel")) all.push_back(row);
  all.push_back(lateness_row<TimerfdTimers>("floor-timerfd"));
  return all;
}

}  // namespace
}  // namespace zmqloop::bench

int main(int argc, char** argv) {
  return zmqloop::bench::run_rows(argc, argv, zmqloop::bench::rows());
}
