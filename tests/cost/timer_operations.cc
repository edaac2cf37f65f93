// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/cost/clock.h"
#include "tests/cost/measured.h"
#include "tests/cost/operation.h"
#include "tests/cost/payload.h"

#include "zmqloop/runtime/loop/io_loop.h"

namespace zmqloop::cost {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr int kRounds = 4;
constexpr int kFewTimers = 64;
constexpr int kManyTimers = 256;

// Timers that are not near; consecutive timers are some ticks of the wheel apart.
constexpr Duration kFirst = milliseconds(100);
constexpr Duration kStep = microseconds(500);
constexpr Duration kLast = kFirst + kManyTimers * kStep;
static_assert(kRounds * kLast < kClockMayMove);

class TimedLoop {
 public:
  TimedLoop() : loop_(without_spinning()), handles_(kManyTimers) {
    loop_.call_later(hours(1'000), [] {});  // so that the queue is never empty
    arm(kManyTimers);                       // and already has the memory it keeps
    cancel(kManyTimers);
  }

  void arm(int count) {
    for (int i = 0; i < count; ++i) {
      handle(i) = loop_.call_later(kFirst + i * kStep, payload(fired_));
    }
  }
  void cancel(int count) {
    for (int i = 0; i < count; ++i) loop_.remove_timeout(handle(i));
  }
  void make_all_due() {
    loop_.call_later(kLast, [this] { loop_.stop(); });
    move_clock(kLast);
  }
  void run() { loop_.start(); }
  // Calls `f` from a callback of the loop, where most timers are used.
  template <class F>
  void in_callback(F f) {
    loop_.add_callback([this, &f] {
      f();
      loop_.stop();
    });
    run();
  }
  std::uint64_t fired() const { return fired_; }

 private:
  TimeoutHandle& handle(int i) { return handles_[static_cast<std::size_t>(i)]; }

  IOLoop loop_;
  std::vector<TimeoutHandle> handles_;
  std::uint64_t fired_ = 0;
};

// call_later() for a timer that is not near.
void arm(int size) {
  TimedLoop timed;
  for (int round = 0; round < kRounds; ++round) {
    timed.in_callback([&] { measured([&] { timed.arm(size); }); });
    timed.cancel(size);
  }
}

// remove_timeout() for such a timer.
void cancel(int size) {
  TimedLoop timed;
  for (int round = 0; round < kRounds; ++round) {
    timed.arm(size);
    timed.in_callback([&] { measured([&] { timed.cancel(size); }); });
  }
  timed.make_all_due();
  timed.run();
  require(timed.fired(), 0);
}

// Taking such a timer out of the wheel, and running it.
void fire(int size) {
  TimedLoop timed;
  for (int round = 0; round < kRounds; ++round) {
    timed.arm(size);
    timed.make_all_due();
    measured([&] { timed.run(); });
  }
  require(timed.fired(), static_cast<std::uint64_t>(size) * kRounds);
}

constexpr Operation kOperations[] = {
    {"arm", kFewTimers, kManyTimers, kRounds, arm},
    {"cancel", kFewTimers, kManyTimers, kRounds, cancel},
    {"fire", kFewTimers, kManyTimers, kRounds, fire},
};

}  // namespace

std::span<const Operation> timer_operations() { return kOperations; }

}  // namespace zmqloop::cost
