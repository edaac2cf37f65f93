// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Replaces std::atomic and std::mutex for simulated threads: every operation is a step, and any
// other thread may run before it.
//
// An atomic has the size and layout of std::atomic, and means the same in zeroed memory. Outside a
// schedule it is an ordinary variable.
//
// Threads: simulated ones.
// Errors: fail() if one of the scheduler's checks fails.

#ifndef ZMQLOOP_TESTS_SCHEDULE_ATOM_H_
#define ZMQLOOP_TESTS_SCHEDULE_ATOM_H_

#include <atomic>
#include <cstddef>
#include <cstring>
#include <type_traits>
#include <utility>

#include "tests/schedule/atom_history.h"
#include "tests/schedule/trace.h"
#include "tests/schedule/vector_clock.h"

namespace zmqloop::schedule {

enum class Update : unsigned char { kExchange, kAdd, kSubtract, kAnd, kOr };

// The operations on `bytes` of memory of any type. They are not inlined: otherwise the
// instrumentation would report them as accesses to plain memory.
struct AtomAccess {
  void* memory;
  std::size_t bytes;
  Where where;

  void construct(Bits value) const;
  void destroy() const;
  Bits latest() const;
  Bits load(std::memory_order order) const;
  void store(Bits value, std::memory_order order) const;
  Bits update(Update update, Bits operand, std::memory_order order) const;
  bool compare_exchange(Bits& expected, Bits desired, std::memory_order success,
                        std::memory_order failure) const;
};

template <class T>
class Atom {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(Bits));

 public:
  using Order = std::memory_order;
  static constexpr bool is_always_lock_free = std::atomic<T>::is_always_lock_free;

  constexpr Atom() noexcept : Atom(T()) {}
  constexpr Atom(T value) noexcept : value_(value) {  // NOLINT: as std::atomic
    if (!std::is_constant_evaluated()) at(Where()).construct(bits(value));
  }
  Atom(const Atom&) = delete;
  Atom& operator=(const Atom&) = delete;
  constexpr ~Atom() {
    if (!std::is_constant_evaluated()) at(Where()).destroy();
  }

  T load(Order order = Order::seq_cst, Where where = Where::current()) const noexcept {
    return value(at(where).load(order));
  }
  void store(T desired, Order order = Order::seq_cst, Where where = Where::current()) noexcept {
    at(where).store(bits(desired), order);
  }
  T exchange(T desired, Order order = Order::seq_cst, Where where = Where::current()) noexcept {
    return value(at(where).update(Update::kExchange, bits(desired), order));
  }
  T fetch_add(T n, Order order = Order::seq_cst, Where where = Where::current()) noexcept {
    return value(at(where).update(Update::kAdd, bits(n), order));
  }
  T fetch_sub(T n, Order order = Order::seq_cst, Where where = Where::current()) noexcept {
    return value(at(where).update(Update::kSubtract, bits(n), order));
  }
  T fetch_and(T mask, Order order = Order::seq_cst, Where where = Where::current()) noexcept {
    return value(at(where).update(Update::kAnd, bits(mask), order));
  }
  T fetch_or(T mask, Order order = Order::seq_cst, Where where = Where::current()) noexcept {
    return value(at(where).update(Update::kOr, bits(mask), order));
  }
  bool compare_exchange_strong(T& expected, T desired, Order success, Order failure,
                               Where where = Where::current()) noexcept {
    Bits found = bits(expected);
    const bool exchanged = at(where).compare_exchange(found, bits(desired), success, failure);
    if (!exchanged) expected = value(found);
    return exchanged;
  }
  bool compare_exchange_strong(T& expected, T desired, Order order = Order::seq_cst,
                               Where where = Where::current()) noexcept {
    const Order failure = order == Order::acq_rel   ? Order::acquire
                          : order == Order::release ? Order::relaxed
                                                    : order;
    return compare_exchange_strong(expected, desired, order, failure, where);
  }

  // Returns the latest value, even if the thread need not see it yet. Not a step. For waits inside
  // the scheduler.
  T latest() const noexcept { return value(at(Where()).latest()); }

  operator T() const noexcept { return load(); }
  T operator=(T desired) noexcept {
    store(desired);
    return desired;
  }

 private:
  AtomAccess at(Where where) const noexcept { return {&value_, sizeof(T), where}; }
  static Bits bits(T value) {
    Bits bits = 0;
    std::memcpy(&bits, &value, sizeof(T));
    return bits;
  }
  static T value(Bits bits) {
    T value;
    std::memcpy(&value, &bits, sizeof(T));
    return value;
  }

  alignas(sizeof(T)) mutable T value_;
};

class Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  ~Mutex();

  void lock();
  void unlock();

 private:
  bool locked_ = false;
  VectorClock published_;  // joined by the next owner
};

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_ATOM_H_
