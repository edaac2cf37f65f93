// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// What became of a callable that was posted.

#ifndef ZMQLOOP_TESTS_SCHEDULE_PARCEL_H_
#define ZMQLOOP_TESTS_SCHEDULE_PARCEL_H_

#include <utility>

#include "tests/schedule/failure.h"

namespace zmqloop::schedule {

// Written by the poster, then by whoever runs or destroys the callable: plain memory, for the
// protocol has to order them.
struct Fate {
  int runs = 0;
  int ends = 0;  // how often the callable, not counting what it was moved from, was destroyed

  // Called once everybody has been joined.
  void require_run_once() const {
    require(runs == 1, "an accepted callable did not run once");
    require(ends == 1, "a callable was not destroyed once");
  }
  void require_dropped() const {
    require(runs == 0, "a callable ran that was refused or abandoned");
    require(ends == 1, "a callable was not destroyed once");
  }
};

// A callable that cannot be copied and tells its fate.
class Parcel {
 public:
  explicit Parcel(Fate& fate) : fate_(&fate) {}
  Parcel(Parcel&& other) noexcept : fate_(std::exchange(other.fate_, nullptr)) {}
  Parcel& operator=(Parcel&&) = delete;
  ~Parcel() {
    if (fate_ != nullptr) ++fate_->ends;
  }
  void operator()() const { ++fate_->runs; }

 private:
  Fate* fate_;
};

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_PARCEL_H_
