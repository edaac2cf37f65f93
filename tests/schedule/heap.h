// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Allocates the memory of simulated threads from one region, starting at its beginning in each
// schedule. So addresses repeat, no address is used twice, and any block left at the end is a leak.
//
// Used only if the compiler reports accesses. Under AddressSanitizer, simulated threads allocate
// from the process's heap, and AddressSanitizer finds the same errors.

#ifndef ZMQLOOP_TESTS_SCHEDULE_HEAP_H_
#define ZMQLOOP_TESTS_SCHEDULE_HEAP_H_

#include <cstddef>

namespace zmqloop::schedule {

class Heap {
 public:
  // Makes simulated threads allocate from the region while it exists.
  class Schedule {
   public:
    Schedule();
    Schedule(const Schedule&) = delete;
    Schedule& operator=(const Schedule&) = delete;
    ~Schedule();

    // Returns how many blocks are allocated.
    std::size_t blocks() const;
  };

  // Returns the offset from the region's start, or -1 for an address outside the region.
  static std::ptrdiff_t offset_of(const void* address);
};

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_HEAP_H_
