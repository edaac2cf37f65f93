// A bare single-producer, single-consumer ring: the least that handing an item to another thread
// costs.
//
// The benchmark's floor: no type erasure, no order among producers, no sleeping, no closing. Each
// item has a cache line of its own, like a mailbox slot, and is written and read in place; each
// side keeps a copy of the other's index and looks again only when the ring seems full or empty.
//
// Threads: one producer, one consumer.
// Owns: the items.
// Errors: none; full and empty are values.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_SPSC_RING_H_
#define ZMQLOOP_BENCHMARKS_SPSC_RING_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace zmqloop::bench {

template <class T, std::size_t kSlots>
class SpscRing {
 public:
  // ---- producer ----

  // Returns the place to write the next item to, in place; null if the ring is full.
  T* next_free() noexcept {
    // relaxed: only the producer writes this index.
    const std::uint64_t write = write_.load(std::memory_order_relaxed);
    if (write - read_seen_ == kSlots) {
      // acquire: the consumer is done with the slot; pairs with release in pop().
      read_seen_ = read_.load(std::memory_order_acquire);
      if (write - read_seen_ == kSlots) return nullptr;
    }
    return &slots_[write % kSlots].item;
  }
  // Publishes the item written there.
  void push() noexcept {
    // relaxed: only the producer writes this index.
    const std::uint64_t write = write_.load(std::memory_order_relaxed);
    // release: publishes the item; pairs with acquire in oldest().
    write_.store(write + 1, std::memory_order_release);
  }

  // ---- consumer ----

  // Returns the oldest item; null if the ring is empty.
  const T* oldest() noexcept {
    // relaxed: only the consumer writes this index.
    const std::uint64_t read = read_.load(std::memory_order_relaxed);
    if (read == write_seen_) {
      // acquire: the item is visible; pairs with release in push().
      write_seen_ = write_.load(std::memory_order_acquire);
      if (read == write_seen_) return nullptr;
    }
    return &slots_[read % kSlots].item;
  }
  // Gives that item's place back.
  void pop() noexcept {
    // relaxed: only the consumer writes this index.
    const std::uint64_t read = read_.load(std::memory_order_relaxed);
    // release: our read of the slot precedes its reuse; pairs with acquire in next_free().
    read_.store(read + 1, std::memory_order_release);
  }

 private:
  static_assert((kSlots & (kSlots - 1)) == 0, "the number of slots must be a power of two");
  static_assert(std::is_trivially_copyable_v<T>);

  struct alignas(64) Slot {
    T item;
  };
  static_assert(sizeof(Slot) == 64);

  // Producer's: its index, and the consumer's as last seen.
  alignas(128) std::atomic<std::uint64_t> write_{0};
  std::uint64_t read_seen_ = 0;

  // Consumer's, likewise.
  alignas(128) std::atomic<std::uint64_t> read_{0};
  std::uint64_t write_seen_ = 0;

  // Shared.
  alignas(128) std::array<Slot, kSlots> slots_{};
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_SPSC_RING_H_
