// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Timers: one that fires once, one that repeats, and one that is cancelled in time.

#include <chrono>
#include <cstdio>

#include "zmqloop/zmqloop.h"

using namespace std::chrono_literals;

namespace {

// Ticks every 20 ms. Each deadline is counted from the previous deadline, so it does not drift.
class Ticker {
 public:
  explicit Ticker(zmqloop::IOLoop& loop) : loop_(loop), next_(loop.time()) { tick_later(); }

  int ticks() const { return ticks_; }
  void stop() { loop_.remove_timeout(timer_); }

 private:
  void tick_later() {
    next_ += 20ms;
    timer_ = loop_.call_at(next_, [this] {
      std::printf("tick %d\n", ++ticks_);
      tick_later();
    });
  }

  zmqloop::IOLoop& loop_;
  zmqloop::TimePoint next_;
  zmqloop::TimeoutHandle timer_;
  int ticks_ = 0;
};

}  // namespace

int main() {
  zmqloop::IOLoop loop;
  Ticker ticker(loop);

  bool alarm_rang = false;
  const zmqloop::TimeoutHandle alarm = loop.call_later(150ms, [&alarm_rang] { alarm_rang = true; });
  loop.call_later(50ms, [&] {
    std::puts("alarm cancelled");
    loop.remove_timeout(alarm);
    loop.remove_timeout(alarm);  // cancelling again is harmless
  });
  loop.call_later(200ms, [&] {
    ticker.stop();
    loop.stop();
  });
  loop.start();
  return !alarm_rang && ticker.ticks() > 0 ? 0 : 1;
}
