// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/malloc_counter.h"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>

namespace zmqloop::bench {
namespace {

alignas(128) std::atomic<bool> counting{false};
alignas(128) std::atomic<std::uint64_t> allocations{0};

}  // namespace

// relaxed, all of them: a statistic; it does not matter which allocation is counted first.
MallocCounter::MallocCounter() noexcept {
  allocations.store(0, std::memory_order_relaxed);
  counting.store(true, std::memory_order_relaxed);
}

MallocCounter::~MallocCounter() { counting.store(false, std::memory_order_relaxed); }

std::uint64_t MallocCounter::count() const noexcept {
  return allocations.load(std::memory_order_relaxed);
}

}  // namespace zmqloop::bench

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

namespace {

void count_one() noexcept {
  // relaxed: as above.
  if (!zmqloop::bench::counting.load(std::memory_order_relaxed)) return;
  zmqloop::bench::allocations.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

// These are glibc's second names for its own malloc and relatives. The usual free() accepts their
// memory.
extern "C" {

void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) {
  count_one();
  return __libc_malloc(size);
}

void* calloc(std::size_t count, std::size_t size) {
  count_one();
  return __libc_calloc(count, size);
}

void* realloc(void* block, std::size_t size) {
  count_one();
  return __libc_realloc(block, size);
}

void* aligned_alloc(std::size_t alignment, std::size_t size) {
  count_one();
  return __libc_memalign(alignment, size);
}

int posix_memalign(void** block, std::size_t alignment, std::size_t size) {
  count_one();
  *block = __libc_memalign(alignment, size);
  return *block == nullptr ? ENOMEM : 0;
}

}  // extern "C"

#endif
