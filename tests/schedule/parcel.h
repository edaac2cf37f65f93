// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A callable to post that records whether it was run and destroyed.

#ifndef ZMQLOOP_TESTS_SCHEDULE_PARCEL_H_
#define ZMQLOOP_TESTS_SCHEDULE_PARCEL_H_

#include <utility>

#include "tests/schedule/failure.h"

namespace zmqloop::schedule {

// Written by the poster, then by the thread that runs or destroys the callable. Plain memory: the
// library's protocol must order these writes.
struct Fate {
  int runs = 0;
  int ends = 0;  // destructions of the callable, not counting moved-from objects

  // Call these after all threads are joined.
  void require_run_once() const {
    require(runs == 1, "an accepted callable did not run once");
    require(ends == 1, "a callable was not destroyed once");
  }
  void require_dropped() const {
    require(runs == 0, "a callable ran that was refused or abandoned");
    require(ends == 1, "a callable was not destroyed once");
  }
};

// A move-only callable that records its fate.
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
