// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A statistic: written by one thread, or added to by many, and read by any.
//
// Threads: Counter: one writer, any reader. SharedCounter: any. Both are async-signal-safe. A value
// is a count only; it never says that other data is visible.
// Internal.

#ifndef ZMQLOOP_THREADING_MAILBOX_COUNTER_H_
#define ZMQLOOP_THREADING_MAILBOX_COUNTER_H_

#include <cstdint>

#include "zmqloop/threading/mailbox/primitives.h"

namespace zmqloop {

class Counter {
 public:
  // Adds without a locked instruction. The one writer only.
  void add(std::uint64_t n = 1) noexcept {
    // relaxed: a statistic with a single writer.
    value_.store(get() + n, std::memory_order_relaxed);
  }
  // As add(), for a writer that knows the sum.
  void set(std::uint64_t value) noexcept {
    // relaxed: as in add().
    value_.store(value, std::memory_order_relaxed);
  }
  std::uint64_t get() const noexcept {
    // relaxed: a statistic.
    return value_.load(std::memory_order_relaxed);
  }

 private:
  Atom<std::uint64_t> value_{0};
};

class SharedCounter {
 public:
  void add(std::uint64_t n = 1) noexcept {
    // relaxed: a statistic.
    value_.fetch_add(n, std::memory_order_relaxed);
  }
  std::uint64_t get() const noexcept {
    // relaxed: a statistic.
    return value_.load(std::memory_order_relaxed);
  }

 private:
  Atom<std::uint64_t> value_{0};
};

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_MAILBOX_COUNTER_H_
