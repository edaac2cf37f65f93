// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A bare single-producer, single-consumer ring: the minimum cost of handing an item to another
// thread.
//
// This is the benchmark's floor: no type erasure, no order among producers, no sleeping, no
// closing. Items lie side by side and are written and read in place. Each side keeps a copy of the
// other's index, and reads that index again only when the ring seems full or empty. The consumer
// then takes all available items as one batch, and gives their slots back only at its end.
//
// Threads: one producer, one consumer.
// Owns: the items.
// Errors: none; full and empty are values.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_SPSC_RING_H_
#define ZMQLOOP_BENCHMARKS_SPSC_RING_H_

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace zmqloop::bench {

template <class T>
class SpscRing {
 public:
  // `slots` is rounded up to a power of two.
  explicit SpscRing(std::size_t slots) : items_(std::bit_ceil(slots)), mask_(items_.size() - 1) {}

  // ---- producer ----

  // Returns the slot for the next item, to be written in place; null if the ring is full.
  T* next_free() noexcept {
    // relaxed: only the producer writes this index.
    const std::uint64_t write = write_.load(std::memory_order_relaxed);
    if (write - read_seen_ > mask_) {
      // acquire: the consumer is done with the slot; pairs with release in begin_batch().
      read_seen_ = read_.load(std::memory_order_acquire);
      if (write - read_seen_ > mask_) return nullptr;
    }
    return &items_[write & mask_];
  }
  // Publishes the item in that slot.
  void push() noexcept {
    // relaxed: only the producer writes this index.
    const std::uint64_t write = write_.load(std::memory_order_relaxed);
    // release: publishes the item; pairs with acquire in begin_batch().
    write_.store(write + 1, std::memory_order_release);
  }

  // ---- consumer ----

  // Gives the slots of the last batch back, and returns the size of the next batch: all available
  // items. Each item of the last batch must have been popped.
  std::size_t begin_batch() noexcept {
    // release: our reads of the slots precede their reuse; pairs with acquire in next_free().
    read_.store(next_, std::memory_order_release);
    // acquire: the items are visible; pairs with release in push().
    return write_.load(std::memory_order_acquire) - next_;
  }
  // Returns the oldest item of the batch and advances to the next. The item stays valid until the
  // next begin_batch().
  const T& pop() noexcept { return items_[next_++ & mask_]; }

 private:
  static_assert(std::is_trivially_copyable_v<T>);

  // The items are shared; the vector itself and the mask are constant.
  std::vector<T> items_;
  const std::size_t mask_;

  // The producer's: its index, and its copy of the consumer's index.
  alignas(128) std::atomic<std::uint64_t> write_{0};
  std::uint64_t read_seen_ = 0;

  // The consumer's: its index as published to the producer, and its current index.
  alignas(128) std::atomic<std::uint64_t> read_{0};
  std::uint64_t next_ = 0;
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_SPSC_RING_H_
