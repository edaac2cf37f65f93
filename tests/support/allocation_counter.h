// Counts the calls of operator new of the calling thread. Replaces the global operators: include it
// in one source of a program.

#ifndef ZMQLOOP_TESTS_SUPPORT_ALLOCATION_COUNTER_H_
#define ZMQLOOP_TESTS_SUPPORT_ALLOCATION_COUNTER_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace zmqloop::testing {

inline constinit thread_local std::uint64_t allocations_of_this_thread = 0;

inline void* try_counted_allocation(std::size_t size, std::size_t alignment) noexcept {
  ++allocations_of_this_thread;
  const std::size_t rounded = (size + alignment - 1) / alignment * alignment;
  return std::aligned_alloc(alignment, rounded);
}
inline void* counted_allocation(std::size_t size, std::size_t alignment) {
  if (void* const memory = try_counted_allocation(size, alignment)) return memory;
  throw std::bad_alloc();
}

}  // namespace zmqloop::testing

void* operator new(std::size_t size) {
  return zmqloop::testing::counted_allocation(size, alignof(std::max_align_t));
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return zmqloop::testing::counted_allocation(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return zmqloop::testing::try_counted_allocation(size, alignof(std::max_align_t));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

#endif  // ZMQLOOP_TESTS_SUPPORT_ALLOCATION_COUNTER_H_
