// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The memory that simulated threads allocate: from one region, from its start in each schedule, so
// that addresses repeat, nothing is used twice and what is left at the end is a leak.
//
// Only where the compiler reports accesses. Under AddressSanitizer memory is the process's, and it
// looks for the same things.

#ifndef ZMQLOOP_TESTS_SCHEDULE_HEAP_H_
#define ZMQLOOP_TESTS_SCHEDULE_HEAP_H_

#include <cstddef>

namespace zmqloop::schedule {

class Heap {
 public:
  // While it exists, simulated threads allocate from the region.
  class Schedule {
   public:
    Schedule();
    Schedule(const Schedule&) = delete;
    Schedule& operator=(const Schedule&) = delete;
    ~Schedule();

    // Returns how many blocks are allocated.
    std::size_t blocks() const;
  };

  // Returns the distance from the region's start, or -1 for an address outside.
  static std::ptrdiff_t offset_of(const void* address);
};

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_HEAP_H_
