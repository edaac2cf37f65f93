// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Calls on_high_water when too many posts wait for a loop, once each time they reach the mark.
//
// Threads: loop thread only, except minds_full() and most().
// Owns: the callback.
// Errors: the constructor throws std::invalid_argument; tell() passes on what the callback throws.
// Internal: see LoopOptions::high_water_mark.

#ifndef ZMQLOOP_RUNTIME_CORE_HIGH_WATER_H_
#define ZMQLOOP_RUNTIME_CORE_HIGH_WATER_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <typeinfo>
#include <utility>

#include "zmqloop/runtime/basics/option_functions.h"
#include "zmqloop/threading/mailbox/counter.h"

namespace zmqloop {

class HighWater {
 public:
  using Callback = LoopFunction<std::uint64_t>;

  // A mark of zero: never calls. `limit`: LoopOptions::max_pending.
  HighWater(std::uint64_t mark, Callback callback, std::uint64_t limit)
      : mark_(mark == 0 ? std::numeric_limits<std::uint64_t>::max() : mark),
        minds_full_(limit >= mark_),
        callback_(std::move(callback)) {
    if ((mark != 0) != static_cast<bool>(callback_)) {
      throw std::invalid_argument(
          "IOLoop::Options: high_water_mark and on_high_water are of use only together");
    }
  }

  // Notes the number of posts that an iteration has found; true if the caller must tell() of it.
  // One compare, except at a new maximum, and from the mark down to half of it.
  bool reached_by(std::uint64_t pending) noexcept { return pending >= look_from_ && note(pending); }
  // Any thread: whether a post refused with kFull means that the mark was reached.
  bool minds_full() const noexcept { return minds_full_; }
  // Notes such a refusal; true if the caller must tell() of it.
  bool reached_by_full() noexcept {
    look_from_ = 0;
    return !std::exchange(told_, true);
  }
  void tell(LoopCore& core, std::uint64_t pending) const { callback_(core, pending); }
  const std::type_info& type() const noexcept { return callback_.type(); }

  // Any thread: the largest number that an iteration has found.
  std::uint64_t most() const noexcept { return most_.get(); }

 private:
  [[gnu::noinline]] bool note(std::uint64_t pending) noexcept {
    if (pending > most_.get()) most_.set(pending);
    const bool told_before =
        std::exchange(told_, pending >= mark_ || (told_ && pending > mark_ / 2));
    look_from_ = told_ ? 0 : std::min(most_.get() + 1, mark_);
    return told_ && !told_before;
  }

  const std::uint64_t mark_;
  const bool minds_full_;
  const Callback callback_;
  std::uint64_t look_from_ = 1;  // no note() of fewer
  bool told_ = false;            // and never down to half the mark since
  Counter most_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_CORE_HIGH_WATER_H_
