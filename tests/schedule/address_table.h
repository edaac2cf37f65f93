// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Keeps a record for each address that a schedule uses: a hash table that empties in constant time.
//
// Owns: a fixed number of entries, reused in every schedule. Pointers stay valid until clear().
// Errors: fails the schedule if the table is full.

#ifndef ZMQLOOP_TESTS_SCHEDULE_ADDRESS_TABLE_H_
#define ZMQLOOP_TESTS_SCHEDULE_ADDRESS_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "tests/schedule/failure.h"

namespace zmqloop::schedule {

template <class T>
class AddressTable {
 public:
  // Returns the entry of `address`, or null.
  T* find(std::uintptr_t address) {
    const Place& place = places_[place_of(address)];
    return place.schedule == schedule_ ? &entries_[place.entry] : nullptr;
  }

  // Returns the entry of `address`. Adds T() and sets `is_new` if there is none yet.
  T& find_or_add(std::uintptr_t address, bool& is_new) {
    Place& place = places_[place_of(address)];
    is_new = place.schedule != schedule_;
    if (is_new) {
      if (used_ == kEntries) fail("the scenario touches more memory than the tables hold");
      place = {address, schedule_, used_++};
      entries_[place.entry] = T();
    }
    return entries_[place.entry];
  }

  void clear() {
    ++schedule_;
    used_ = 0;
  }

 private:
  struct Place {
    std::uintptr_t address = 0;
    std::uint32_t schedule = 0;  // in which this place was filled
    std::uint32_t entry = 0;
  };
  static constexpr int kBits = 13;
  static constexpr std::size_t kPlaces = std::size_t{1} << kBits;
  static constexpr std::uint32_t kEntries = kPlaces / 2;

  // Returns the place that holds the address, or the empty place where it belongs.
  std::size_t place_of(std::uintptr_t address) const {
    std::size_t at = (address * 0x9e3779b97f4a7c15u) >> (64 - kBits);
    while (places_[at].schedule == schedule_ && places_[at].address != address) {
      at = (at + 1) % kPlaces;
    }
    return at;
  }

  const std::unique_ptr<Place[]> places_ = std::make_unique<Place[]>(kPlaces);
  const std::unique_ptr<T[]> entries_ = std::make_unique<T[]>(kEntries);
  std::uint32_t schedule_ = 1;
  std::uint32_t used_ = 0;
};

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_ADDRESS_TABLE_H_
