// A bare single-producer, single-consumer ring: the least that handing an item to another thread
// costs.
//
// The benchmark's floor: no type erasure, no order among producers, no sleeping, no closing. Each
// item has a cache line of its own, like a mailbox slot; each side keeps a copy of the other's
// index and looks again only when the ring seems full or empty.
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

  // Puts an item in; false if the ring is full.
  bool try_push(const T& item) noexcept {
    // relaxed: only the producer writes this index.
    const std::uint64_t write = write_.load(std::memory_order_relaxed);
    if (write - read_seen_ == kSlots) {
      // acquire: the consumer is done with the slot; pairs with release in try_pop().
      read_seen_ = read_.load(std::memory_order_acquire);
      if (write - read_seen_ == kSlots) return false;
    }
    slots_[write % kSlots].item = item;
    // release: publishes the item; pairs with acquire in try_pop().
    write_.store(write + 1, std::memory_order_release);
    return true;
  }

  // ---- consumer ----

  // Takes the oldest item; false if the ring is empty.
  bool try_pop(T& item) noexcept {
    // relaxed: only the consumer writes this index.
    const std::uint64_t read = read_.load(std::memory_order_relaxed);
    if (read == write_seen_) {
      // acquire: the item is visible; pairs with release in try_push().
      write_seen_ = write_.load(std::memory_order_acquire);
      if (read == write_seen_) return false;
    }
    item = slots_[read % kSlots].item;
    // release: our read of the slot precedes its reuse; pairs with acquire in try_push().
    read_.store(read + 1, std::memory_order_release);
    return true;
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
