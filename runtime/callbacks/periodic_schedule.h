// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Computes when a periodic callback ticks next: plain arithmetic, without loop, timer or clock.
//
//   PeriodicSchedule schedule(10ms, /*jitter=*/0.2, MissedTicks::kSkip);
//   TimePoint tick = schedule.next(start, start, draw());     // one period after the start
//   tick = schedule.next(tick, now, draw());                  // after the tick's callback
//
// Each slot is counted from the last one, not from now, so that the cost of callbacks does not add
// up to a drift.
//
// Threads: values and pure functions; any thread.
// Errors: std::invalid_argument, which names the parameter and its value.
// Public: MissedTicks and AnyPeriod, with periodic_callback.h. The rest is internal.

#ifndef ZMQLOOP_RUNTIME_CALLBACKS_PERIODIC_SCHEDULE_H_
#define ZMQLOOP_RUNTIME_CALLBACKS_PERIODIC_SCHEDULE_H_

#include <chrono>

#include "zmqloop/threading/host/clock.h"
#include "zmqloop/threading/host/export.h"

namespace zmqloop {

// Decides about the slots that went by while the callback ran or the loop was late. A slot counts
// as missed if its time has come when the callback ends. The examples below have a period of 10 and
// a start at 0; the callback at 10 takes until 35, the others no time.
enum class MissedTicks {
  // Skips them and keeps the phase: 10, 40, 50, 60. As tornado does.
  kSkip,
  // Makes up for them at once, one in each iteration of the loop: 10, 35 (for 20), 35 (for 30), 40,
  // 50. Keeps the number of ticks, also after the clock has jumped.
  kBurst,
  // Skips them and restarts the phase at the end of the late callback: 10, 45, 55, 65.
  kDelay,
};

// A parameter: any std::chrono duration above zero, rounded up to the clock's tick. Infinity,
// overflow and max() mean "never"; zero, negative values and NaN throw.
class AnyPeriod {
 public:
  template <class Rep, class Period>
  AnyPeriod(std::chrono::duration<Rep, Period> value) : value_(to_duration(value)) {
    if (!(value > value.zero())) refuse(std::chrono::duration<double>(value).count());
  }
  Duration value() const { return value_; }

 private:
  ZMQLOOP_EXPORT [[noreturn]] static void refuse(double seconds);

  Duration value_;
};

class PeriodicSchedule {
 public:
  // With jitter j, each period is drawn anew from period * [1 - j/2, 1 + j/2]; 0 <= j <= 1.
  ZMQLOOP_EXPORT explicit PeriodicSchedule(AnyPeriod period, double jitter = 0,
                                           MissedTicks missed = MissedTicks::kSkip);

  // Returns the deadline after `last` (the last deadline, or the time of the start) at time `now`.
  // `draw` is a random number from 0 to 1. The result is always later than `last`, even if the
  // clock was set back: one slot, one tick. It is also later than `now`, except with kBurst. Takes
  // constant time, however many slots were missed. Saturates at TimePoint::max(), meaning never.
  TimePoint next(TimePoint last, TimePoint now, double draw) const;

  Duration period() const { return period_; }
  void set_period(AnyPeriod period) { period_ = period.value(); }
  // Returns whether next() uses `draw`.
  bool is_random() const { return jitter_ != 0; }

 private:
  Duration drawn_period(double draw) const;

  Duration period_;
  double jitter_;
  MissedTicks missed_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_CALLBACKS_PERIODIC_SCHEDULE_H_
