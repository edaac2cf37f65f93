// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/schedule/heap.h"

#include <cstdint>
#include <cstdlib>
#include <new>
#include <sys/mman.h>

#include "tests/schedule/failure.h"
#include "tests/schedule/scheduler.h"

namespace zmqloop::schedule {
namespace {

constexpr std::size_t kRegionBytes = std::size_t{8} << 20;

char* region = nullptr;
std::size_t used = 0;
std::size_t blocks_alive = 0;

struct alignas(16) Header {  // before each block
  std::size_t bytes;
};

void* allocate(std::size_t bytes, std::size_t alignment) {
  if (Scheduler::here() == nullptr || region == nullptr) {
    return alignment <= alignof(std::max_align_t)
               ? std::malloc(bytes)
               : std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  }
  const std::size_t at = (used + sizeof(Header) + alignment - 1) / alignment * alignment;
  used = (at + bytes + sizeof(Header) - 1) / sizeof(Header) * sizeof(Header);
  if (used > kRegionBytes) fail("the scenario allocates more than the region holds");
  ::new (region + at - sizeof(Header)) Header{bytes};
  ++blocks_alive;
  return region + at;
}

void deallocate(void* block, const void* code) {
  if (block == nullptr) return;
  if (Heap::offset_of(block) < 0) return std::free(block);
  const std::size_t bytes =
      reinterpret_cast<const Header*>(static_cast<char*>(block) - sizeof(Header))->bytes;
  --blocks_alive;
  Scheduler* const scheduler = Scheduler::here();
  if (scheduler == nullptr) return;
  const Inside inside;
  scheduler->races().free({block, bytes, code}, scheduler->current(), scheduler->clock());
  for (std::size_t at = 0; at < bytes; at += sizeof(void*)) {
    scheduler->atoms().destroy(static_cast<char*>(block) + at, scheduler->clock());
  }
}

}  // namespace

Heap::Schedule::Schedule() {
  if (region == nullptr) {
    void* const memory = ::mmap(nullptr, kRegionBytes, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    region = static_cast<char*>(memory);
  }
  used = blocks_alive = 0;
}

Heap::Schedule::~Schedule() = default;

std::size_t Heap::Schedule::blocks() const { return blocks_alive; }

std::ptrdiff_t Heap::offset_of(const void* address) {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  const auto start = reinterpret_cast<std::uintptr_t>(region);
  return region != nullptr && at >= start && at < start + kRegionBytes
             ? static_cast<std::ptrdiff_t>(at - start)
             : -1;
}

}  // namespace zmqloop::schedule

namespace schedule = zmqloop::schedule;

// The other forms call these. A `new` that exceeds the region fails the schedule: none returns
// null.
void* operator new(std::size_t bytes) { return schedule::allocate(bytes, 16); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return schedule::allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* block) noexcept {
  schedule::deallocate(block, __builtin_return_address(0));
}
void operator delete(void* block, std::size_t) noexcept {
  schedule::deallocate(block, __builtin_return_address(0));
}
void operator delete(void* block, std::align_val_t) noexcept {
  schedule::deallocate(block, __builtin_return_address(0));
}
void operator delete(void* block, std::size_t, std::align_val_t) noexcept {
  schedule::deallocate(block, __builtin_return_address(0));
}
