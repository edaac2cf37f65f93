// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Periodic work: an object that does something every 20 ms, on whatever loop it is made for.

#include <chrono>
#include <cstdio>

#include "zmqloop/zmqloop.h"

using namespace std::chrono_literals;

namespace {

// The PeriodicCallback belongs to the object whose method it calls, and stops when that goes.
class Heartbeat {
 public:
  explicit Heartbeat(zmqloop::IOLoop& loop = zmqloop::IOLoop::current())
      : periodic_([this] { beat(); }, 20ms, &loop) {
    periodic_.start();  // the first beat is in 20 ms
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
  const Heartbeat heartbeat;  // on this loop, which is current

  // A call that returns a future is not over before that is ready: calls never overlap. Each takes
  // 50 ms here and misses its next slots; kDelay counts anew from its end.
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
