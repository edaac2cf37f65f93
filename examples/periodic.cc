// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Periodic work: an object that does something every 20 ms, on the loop you give it.

#include <chrono>
#include <cstdio>

#include "zmqloop/zmqloop.h"

using namespace std::chrono_literals;

namespace {

// The PeriodicCallback is a member of the object whose method it calls, so both end together.
class Heartbeat {
 public:
  explicit Heartbeat(zmqloop::IOLoop& loop = zmqloop::IOLoop::current())
      : periodic_([this] { beat(); }, 20ms, &loop) {
    periodic_.start();  // the first beat comes in 20 ms
  }
  int beats() const { return beats_; }

 private:
  void beat() { std::printf("beat %d\n", ++beats_); }

  int beats_ = 0;
  zmqloop::PeriodicCallback periodic_;
};

}  // namespace

int main() {
  zmqloop::IOLoop loop;
  loop.make_current();
  const Heartbeat heartbeat;  // on `loop`, which is current

  // A call that returns a future lasts until the future is ready, and calls never overlap. Here a
  // call takes 50 ms and misses its next ticks; kDelay counts the period anew from its end.
  zmqloop::Promise<void> answer;
  int questions = 0;
  zmqloop::PeriodicCallback asking(
      [&] {
        std::printf("question %d\n", ++questions);
        answer = zmqloop::Promise<void>();
        loop.call_later(50ms, [&answer] { answer.set_value(); });
        return answer.get_future();
      },
      20ms, {.jitter = 0.1, .missed = zmqloop::MissedTicks::kDelay});
  asking.start();

  loop.call_later(250ms, [&loop] { loop.stop(); });
  loop.start();
  return heartbeat.beats() > 0 && questions > 0 ? 0 : 1;
}
