// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The rows of `timers`, written once for all contenders.
//
//   W6-arm-cancel  10^6 timers are armed, then cancelled in the order they were armed
//   W6-fire        200,000 timers are armed, fall due while the loop does not run, then fire
//   W6-lateness    a timer of 1 ms that arms itself again: how long after its deadline it fires
//   scale-timers   1,000 timers are armed and cancelled while N others are armed
//
// A contender is a class with
//
//   Contender(std::size_t timers, EventSink& sink);
//   void arm(std::size_t timer, std::chrono::milliseconds delay);   // one that is not armed
//   void cancel(std::size_t timer);                                 // one that is armed
//   void run();      // fires timers by sink.on_event(timer), until that returns false
//   void settle();   // optional: does the remaining work for cancelled timers
//
// A contender allocates once, up front, the memory that its library leaves to the user (handles,
// timer structures).
//
// Threads: one.
// Errors: std::runtime_error if a cancelled timer fires, or a timer does not fire exactly once.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_TIMER_ROWS_H_
#define ZMQLOOP_BENCHMARKS_TIMER_ROWS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "benchmarks/event_sink.h"
#include "benchmarks/latency_histogram.h"
#include "benchmarks/rows.h"

#include "zmqloop/threading/host/clock.h"

namespace zmqloop::bench {

// Returns the same delays for every contender: 1 ms to `longest`, in no order.
std::vector<std::chrono::milliseconds> random_delays(std::size_t count,
                                                     std::chrono::milliseconds longest);
inline constexpr std::chrono::milliseconds kLongestArmed{60'000};
inline constexpr std::chrono::milliseconds kLongestFired{50};

// Counts the timers that fire, and checks that each of `timers` fired once.
class FireCount final : public EventSink {
 public:
  explicit FireCount(std::size_t timers) : timers_(timers) {}

  bool on_event(std::size_t timer) override {
    sum_ += timer;
    return ++fired_ < timers_;
  }
  void restart() { fired_ = sum_ = 0; }
  void require_none() const {
    if (fired_ != 0) throw std::runtime_error("a cancelled timer fired");
  }
  void require_each_once() const {
    if (fired_ == timers_ && sum_ == timers_ * (timers_ - 1) / 2) return;
    throw std::runtime_error("not every timer fired once");
  }

 private:
  const std::size_t timers_;
  std::size_t fired_ = 0;
  std::size_t sum_ = 0;
};

// Timers that are armed and cancelled again, beside others that stay armed.
template <class Contender>
class ArmCancel {
 public:
  ArmCancel(std::size_t cancelled, std::size_t others)
      : others_(others),
        delays_(random_delays(others + cancelled, kLongestArmed)),
        contender_(delays_.size(), sink_) {
    // None of the others may fall due: settle() would fire it.
    for (std::size_t timer = 0; timer < others; ++timer) {
      contender_.arm(timer, (kLongestArmed + delays_[timer]) / 2);
    }
  }

  Round round() {
    const TimePoint start = Clock::now();
    for (std::size_t timer = others_; timer < delays_.size(); ++timer) {
      contender_.arm(timer, delays_[timer]);
    }
    for (std::size_t timer = others_; timer < delays_.size(); ++timer) contender_.cancel(timer);
    if constexpr (requires { contender_.settle(); }) contender_.settle();
    const Duration time = Clock::now() - start;
    sink_.require_none();
    return {delays_.size() - others_, time};
  }

 private:
  const std::size_t others_;
  const std::vector<std::chrono::milliseconds> delays_;
  FireCount sink_{1};
  Contender contender_;
};

// Timers that all fire. A round's time does not include the wait until the last of them is due.
template <class Contender>
class Fire {
 public:
  explicit Fire(std::size_t timers)
      : delays_(random_delays(timers, kLongestFired)), sink_(timers), contender_(timers, sink_) {}

  Round round() {
    sink_.restart();
    const TimePoint start = Clock::now();
    for (std::size_t timer = 0; timer < delays_.size(); ++timer) {
      contender_.arm(timer, delays_[timer]);
    }
    const TimePoint armed = Clock::now();
    // Contenders that count whole milliseconds may round up.
    std::this_thread::sleep_until(armed + kLongestFired + std::chrono::milliseconds(2));
    const TimePoint due = Clock::now();
    contender_.run();
    const Duration firing = Clock::now() - due;
    sink_.require_each_once();
    return {delays_.size(), (armed - start) + firing};
  }

 private:
  const std::vector<std::chrono::milliseconds> delays_;
  FireCount sink_;
  Contender contender_;
};

// A timer that arms itself again.
template <class Contender>
class Chain final : public EventSink {
 public:
  static constexpr std::chrono::milliseconds kDelay{1};

  Round round(std::uint64_t links) {
    const TimePoint start = Clock::now();
    links_left_ = links;
    timed_ = false;  // the first link is armed outside of the loop
    arm();
    contender_.run();
    return {links, Clock::now() - start};
  }
  void report(benchmark::State& state) const {
    state.counters["p50_ns"] = static_cast<double>(lateness_.percentile(0.5));
    state.counters["p99_ns"] = static_cast<double>(lateness_.percentile(0.99));
    state.counters["p999_ns"] = static_cast<double>(lateness_.percentile(0.999));
    state.counters["early"] = static_cast<double>(early_) / static_cast<double>(lateness_.count());
  }

 private:
  bool on_event(std::size_t) override {
    const TimePoint now = Clock::now();
    if (timed_) lateness_.record(std::chrono::nanoseconds(now - deadline_).count());
    if (timed_ && now < deadline_) ++early_;
    timed_ = true;
    if (--links_left_ == 0) return false;
    arm();
    return true;
  }
  void arm() {
    deadline_ = Clock::now() + kDelay;
    contender_.arm(0, kDelay);
  }

  std::uint64_t links_left_ = 0;
  bool timed_ = false;
  TimePoint deadline_;
  std::uint64_t early_ = 0;
  LatencyHistogram lateness_;
  Contender contender_{1, *this};
};

template <class Contender>
Row lateness_row(const std::string& name) {
  constexpr std::uint64_t kLinks = 50;
  return {"W6-lateness/" + name, [](benchmark::State& state, Duration window) {
            Chain<Contender> chain;
            measure_rounds(state, window, [&] { return chain.round(kLinks); });
            chain.report(state);
          }};
}

template <class Contender>
Row arm_cancel_row(const std::string& name, std::size_t cancelled, std::size_t others) {
  return {name, [=](benchmark::State& state, Duration window) {
            ArmCancel<Contender> timers(cancelled, others);
            measure_rounds(state, window, [&] { return timers.round(); });
          }};
}

// The rows of a contender that has no descriptor to wait on.
template <class Contender>
std::vector<Row> timer_cost_rows(const std::string& name) {
  std::vector<Row> rows;
  rows.push_back(arm_cancel_row<Contender>("W6-arm-cancel/" + name, 1'000'000, 0));
  rows.push_back({"W6-fire/" + name, [](benchmark::State& state, Duration window) {
                    Fire<Contender> timers(200'000);
                    measure_rounds(state, window, [&] { return timers.round(); });
                  }});
  for (const std::size_t others : {0u, 1'000u, 1'000'000u}) {
    const std::string axis = "/armed:" + std::to_string(others);
    rows.push_back(arm_cancel_row<Contender>("scale-timers/" + name + axis, 1'000, others));
  }
  return rows;
}

template <class Contender>
std::vector<Row> timer_rows(const std::string& name) {
  std::vector<Row> rows = timer_cost_rows<Contender>(name);
  rows.push_back(lateness_row<Contender>(name));
  return rows;
}

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_TIMER_ROWS_H_
