// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Counts the heap allocations of the whole process, those of C libraries included.
//
// The program's malloc and its like are replaced by ones that look at a flag and call the C
// library's. While the flag is off, that look is all they cost.
//
// Threads: any.
// Errors: none.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_MALLOC_COUNTER_H_
#define ZMQLOOP_BENCHMARKS_MALLOC_COUNTER_H_

#include <cstdint>

namespace zmqloop::bench {

// Counts the allocations made by all threads while it exists; one at a time. Counts nothing under
// a sanitizer or another C library than glibc, which has a malloc of its own.
class MallocCounter {
 public:
  MallocCounter() noexcept;
  MallocCounter(const MallocCounter&) = delete;
  MallocCounter& operator=(const MallocCounter&) = delete;
  ~MallocCounter();

  // Returns the number of allocations since its construction.
  std::uint64_t count() const noexcept;
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_MALLOC_COUNTER_H_
