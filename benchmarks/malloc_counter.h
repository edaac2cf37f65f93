// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Counts the heap allocations of the whole process, including those of C libraries.
//
// Replaces malloc and its relatives by functions that check a flag and call the C library's. While
// the flag is off, they cost only this check.
//
// Threads: any.
// Errors: none.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_MALLOC_COUNTER_H_
#define ZMQLOOP_BENCHMARKS_MALLOC_COUNTER_H_

#include <cstdint>

namespace zmqloop::bench {

// Counts the allocations of all threads while this object exists; one object at a time. Counts
// nothing under a sanitizer, which has a malloc of its own, or with a C library other than glibc.
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
