// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// What atomic operations may return, by the rules of C++: the latest stores to each atomic, and who
// has seen them.
//
// A load may return any store that is not older than one that happens before the load, or than one
// that a read which happens before it has returned. A read-modify-write returns the latest. What a
// store published with release is seen by whoever acquires it or a read-modify-write behind it.
// Not modelled: stores that take effect later than their thread's next ones, which no cycle of
// acquire and release can tell; fences; and a seq_cst load returns the latest store, which is
// stricter than the standard.
//
// An atomic's construction is no atomic operation: who uses it must have seen it, and who destroys
// it must have seen every other thread's last use.
//
// Threads: none. Errors: fail() on either of these two.

#ifndef ZMQLOOP_TESTS_SCHEDULE_ATOM_HISTORY_H_
#define ZMQLOOP_TESTS_SCHEDULE_ATOM_HISTORY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "tests/schedule/address_table.h"
#include "tests/schedule/vector_clock.h"

namespace zmqloop::schedule {

// The value of an atomic, whatever its type.
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

  // Forgets everything: a new schedule begins.
  void clear() { histories_.clear(); }

  // `clock` is the calling thread's, whose number is `thread`; acquiring joins it.
  void construct(const void* atom, Bits value, std::size_t thread, const VectorClock& clock);
  void destroy(const void* atom, const VectorClock& clock);

  // `latest` is what the atomic holds.
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
    VectorClock published;                       // what who acquires it sees
    VectorClock seen_at = VectorClock::never();  // when each thread first read or wrote it
  };
  struct History {
    std::size_t stores = 0;    // number i is in latest[i % kKept]
    bool constructed = false;  // in this schedule: store 0 is the construction
    VectorClock used_at;       // each thread's last use
    Store latest[kKept];
  };

  // Finds the history; every use of an atomic starts here.
  History& use(const void* atom, Bits latest, std::size_t thread, const VectorClock& clock);
  static Store& append(History& history, Bits value, std::size_t thread, const VectorClock& clock);

  AddressTable<History> histories_;
  StoreChoice& choice_;
};

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_ATOM_HISTORY_H_
