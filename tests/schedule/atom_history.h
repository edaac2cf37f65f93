// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Decides which values atomic operations may return under the rules of C++. Keeps the latest stores
// to each atomic, and the threads that have seen them.
//
// A load may return any store, except one older than a store that happens before the load, or older
// than a store already returned by a read that happens before the load. A read-modify-write returns
// the latest store. A release store publishes its thread's clock to every thread that acquires this
// store, or a read-modify-write that follows it.
//
// Not modelled: fences; and stores that take effect after later stores of their thread, which no
// cycle of acquire and release can observe. A seq_cst load returns the latest store, which is
// stricter than the standard.
//
// Constructing an atomic is not an atomic operation. A thread that uses the atomic must have seen
// the construction; a thread that destroys it must have seen the last use by every other thread.
//
// Threads: none.
// Errors: fail() if a thread breaks one of these two rules.

#ifndef ZMQLOOP_TESTS_SCHEDULE_ATOM_HISTORY_H_
#define ZMQLOOP_TESTS_SCHEDULE_ATOM_HISTORY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "tests/schedule/address_table.h"
#include "tests/schedule/vector_clock.h"

namespace zmqloop::schedule {

// The value of an atomic of any type.
using Bits = std::uint64_t;

// Chooses among `count` stores that a load may return: 0 is the latest.
class StoreChoice {
 public:
  virtual std::size_t choose_store(std::size_t count) = 0;

 protected:
  ~StoreChoice() = default;
};

class AtomHistories {
 public:
  explicit AtomHistories(StoreChoice& choice) : choice_(choice) {}

  // Forgets everything, for a new schedule.
  void clear() { histories_.clear(); }

  // `thread` is the calling thread's number and `clock` its clock. An acquire joins the store's
  // clock into `clock`.
  void construct(const void* atom, Bits value, std::size_t thread, const VectorClock& clock);
  void destroy(const void* atom, const VectorClock& clock);

  // `latest` is the atomic's current value.
  Bits load(const void* atom, Bits latest, std::memory_order order, std::size_t thread,
            VectorClock& clock);
  void store(const void* atom, Bits latest, Bits value, std::memory_order order, std::size_t thread,
             const VectorClock& clock);
  void exchange(const void* atom, Bits latest, Bits value, std::memory_order order,
                std::size_t thread, VectorClock& clock);

 private:
  static constexpr std::size_t kKept = 8;

  struct Store {
    Bits value = 0;
    VectorClock published;                       // joined by a thread that acquires the store
    VectorClock seen_at = VectorClock::never();  // when each thread first read or wrote it
  };
  struct History {
    std::size_t stores = 0;    // number i is in latest[i % kKept]
    bool constructed = false;  // in this schedule: store 0 is the construction
    VectorClock used_at;       // each thread's last use
    Store latest[kKept];
  };

  // Returns the history of `atom`; every use of an atomic starts here.
  History& use(const void* atom, Bits latest, std::size_t thread, const VectorClock& clock);
  static Store& append(History& history, Bits value, std::size_t thread, const VectorClock& clock);

  AddressTable<History> histories_;
  StoreChoice& choice_;
};

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_ATOM_HISTORY_H_
