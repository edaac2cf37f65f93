// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Counts a program's allocations, and limits those of a thread. Replaces the global operators new
// and delete: include it in one source of a program.

#ifndef ZMQLOOP_TESTS_SUPPORT_COUNTED_MEMORY_H_
#define ZMQLOOP_TESTS_SUPPORT_COUNTED_MEMORY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <malloc.h>
#include <new>

namespace zmqloop::testing {

inline constinit std::atomic<std::uint64_t> allocations{0};  // of all threads
inline constinit thread_local std::uint64_t allocations_of_this_thread = 0;

// How many more allocations the calling thread may make before they fail; negative: any number.
inline constinit thread_local std::int64_t allocations_left = -1;

// The one of the calling thread's coming allocations that fails: 1 is the next; zero: none.
inline constinit thread_local std::int64_t allocation_that_fails = 0;

// Of all threads.
inline constinit std::atomic<std::int64_t> bytes_in_use{0};

inline void* try_allocate(std::size_t size, std::size_t alignment) noexcept {
  if (allocations_left == 0) return nullptr;
  if (allocations_left > 0) --allocations_left;
  if (allocation_that_fails > 0 && --allocation_that_fails == 0) return nullptr;
  ++allocations;
  ++allocations_of_this_thread;
  const std::size_t rounded = (size + alignment - 1) / alignment * alignment;
  void* const memory = std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
  if (memory == nullptr) return nullptr;
  bytes_in_use += static_cast<std::int64_t>(::malloc_usable_size(memory));
  return memory;
}
inline void* allocate(std::size_t size, std::size_t alignment) {
  if (void* const memory = try_allocate(size, alignment)) return memory;
  throw std::bad_alloc();
}
inline void release(void* memory) noexcept {
  bytes_in_use -= static_cast<std::int64_t>(::malloc_usable_size(memory));
  std::free(memory);
}

}  // namespace zmqloop::testing

// Not inlined: compilers take a free() of memory from new for a mistake.
#define ZMQLOOP_REPLACES __attribute__((noinline))

ZMQLOOP_REPLACES void* operator new(std::size_t size) {
  return zmqloop::testing::allocate(size, alignof(std::max_align_t));
}
ZMQLOOP_REPLACES void* operator new(std::size_t size, std::align_val_t alignment) {
  return zmqloop::testing::allocate(size, static_cast<std::size_t>(alignment));
}
ZMQLOOP_REPLACES void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return zmqloop::testing::try_allocate(size, alignof(std::max_align_t));
}
ZMQLOOP_REPLACES void operator delete(void* memory) noexcept { zmqloop::testing::release(memory); }
ZMQLOOP_REPLACES void operator delete(void* memory, std::size_t) noexcept {
  zmqloop::testing::release(memory);
}
ZMQLOOP_REPLACES void operator delete(void* memory, std::align_val_t) noexcept {
  zmqloop::testing::release(memory);
}
ZMQLOOP_REPLACES void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  zmqloop::testing::release(memory);
}

#undef ZMQLOOP_REPLACES

#endif  // ZMQLOOP_TESTS_SUPPORT_COUNTED_MEMORY_H_
