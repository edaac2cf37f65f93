// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Tracks the timers that a loop owes.
//
// Threads: one.
// Errors: ends the process if a timer fires when it should not, or does not fire when it should.

#ifndef ZMQLOOP_TESTS_FUZZ_EXPECTED_TIMERS_H_
#define ZMQLOOP_TESTS_FUZZ_EXPECTED_TIMERS_H_

#include <cstdint>
#include <map>
#include <utility>

#include "tests/fuzz/promise.h"

#include "zmqloop/threading/host/clock.h"

namespace zmqloop::fuzz {

class ExpectedTimers {
 public:
  // Ids grow from timer to timer. `by_timer_in`: the iteration if another timer arms it, else 0.
  void armed(unsigned id, TimePoint deadline, std::uint64_t by_timer_in) {
    armed_[id] = {deadline, by_timer_in, false};
  }
  void cancelled(unsigned id) { armed_.erase(id); }
  void abandoned() { armed_.clear(); }

  void fires(unsigned id, TimePoint now, std::uint64_t iteration) {
    const auto found = armed_.find(id);
    require(found != armed_.end(), "a timer fires once, and not after it was cancelled");
    const Armed timer = found->second;
    armed_.erase(found);
    ++fired_;
    require(timer.deadline <= now, "a timer never fires early");
    require(timer.by_timer_in < iteration, "one armed by a timer fires in a later iteration");
    const std::pair rank(timer.deadline, id);
    require(!in_order_ || last_iteration_ != iteration || last_ < rank,
            "timers fire by deadline, then in the order they were armed");
    if (last_iteration_ != iteration) in_order_ = !left_over_;
    left_over_ = false;
    last_iteration_ = iteration;
    last_ = rank;
  }
  // An exception left the loop: the due timers stay due, and fire before any that become due later.
  void leave_over() { left_over_ = true; }

  // A run begins at `now`, and owes all timers that are due then.
  void run_begins(TimePoint now) {
    for (auto& [id, timer] : armed_) timer.owed = timer.deadline <= now;
  }
  void require_none_owed() const {
    for (const auto& [id, timer] : armed_) require(!timer.owed, "a timer that is due fires");
  }

  std::uint64_t armed() const { return armed_.size(); }
  std::uint64_t fired() const { return fired_; }

 private:
  struct Armed {
    TimePoint deadline;
    std::uint64_t by_timer_in;
    bool owed;
  };
  std::map<unsigned, Armed> armed_;
  std::uint64_t fired_ = 0;
  std::uint64_t last_iteration_ = 0;
  bool left_over_ = false;
  bool in_order_ = true;  // whether the timers of the last iteration must fire in order
  std::pair<TimePoint, unsigned> last_;
};

}  // namespace zmqloop::fuzz

#endif  // ZMQLOOP_TESTS_FUZZ_EXPECTED_TIMERS_H_
