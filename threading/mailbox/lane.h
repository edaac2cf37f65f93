// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A single-producer, single-consumer queue of slots: the posts of one thread to one loop.
//
// Slots stand in segments that form a chain. The producer fills the last segment, the consumer
// empties the first. An emptied segment goes back to the producer through a small bag. So a lane
// whose consumer keeps up runs in a few segments that stay in cache, and never allocates.
//
// Invariants:
//   L1  Tickets in a lane grow strictly, also across the threads that own it in turn.
//   L2  A slot is readable if and only if its ticket exceeds the last ticket read from the lane.
//   L3  A segment belongs to the producer, to the chain or to the bag, and only to one of them.
// A lane starts with 8 slots, grows to segments of 128, and keeps at most 8 spare segments (64
// KiB).
//
// Threads: one producer at a time (handed over under LaneSet's mutex), one consumer.
// Owns: its segments. The consumer must destroy callables left in it before the lane is destroyed.
// Errors: reserve() throws std::bad_alloc, with the lane unchanged.
// Internal.

#ifndef ZMQLOOP_THREADING_MAILBOX_LANE_H_
#define ZMQLOOP_THREADING_MAILBOX_LANE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "zmqloop/threading/host/cpu_hints.h"
#include "zmqloop/threading/host/export.h"
#include "zmqloop/threading/mailbox/primitives.h"
#include "zmqloop/threading/mailbox/slot.h"

namespace zmqloop {

// A run of slots in one allocation, linked to the segment that is filled next.
class Segment {
 public:
  struct Free {
    void operator()(Segment* segment) const noexcept;
  };
  using Owner = std::unique_ptr<Segment, Free>;

  static Owner make(std::size_t slots);

  Slot* begin() noexcept { return reinterpret_cast<Slot*>(this + 1); }
  Slot* end() noexcept { return begin() + slots_; }
  std::size_t slots() const noexcept { return slots_; }

  // Null until the producer has filled this segment and linked the next.
  Segment* next() const noexcept {
    // acquire: the next segment's slots are initialised; pairs with release in link().
    return next_.load(std::memory_order_acquire);
  }
  void link(Segment* next) noexcept {
    // release: publishes the initialised segment; pairs with acquire in next().
    next_.store(next, std::memory_order_release);
  }

 private:
  explicit Segment(std::size_t slots) : slots_(slots) {}

  Atom<Segment*> next_{nullptr};
  const std::size_t slots_;
  [[maybe_unused]] std::byte padding_[64 - sizeof(Atom<Segment*>) - sizeof(std::size_t)];
};
static_assert(sizeof(Segment) == 64);

// A few spare segments on their way back from the consumer to the producer.
class SegmentBag {
 public:
  static constexpr std::size_t kPlaces = 8;

  SegmentBag() = default;
  SegmentBag(const SegmentBag&) = delete;
  SegmentBag& operator=(const SegmentBag&) = delete;
  ~SegmentBag() { keep_at_most(0); }

  // Puts a segment in, or frees it when the bag is full. Consumer.
  void put(Segment::Owner segment) noexcept;
  // Takes one out; null when there is none. Producer.
  Segment::Owner take() noexcept;
  // Frees all but `count` spare segments. Any thread.
  ZMQLOOP_EXPORT void keep_at_most(std::size_t count) noexcept;

 private:
  std::array<Atom<Segment*>, kPlaces> places_{};
};

class alignas(128) Lane {
 public:
  Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  ~Lane();

  // ---- producer ----

  // Returns the slot to construct the next callable in; it stays reserved until commit(). A thread
  // that runs no loop may wait some microseconds here for a consumer that is far behind.
  Slot& reserve() {
    if (write_ == write_end_) [[unlikely]]
      grow();
    prefetch_to_write(write_ + kWriteAhead);
    return *write_;
  }
  void commit(Slot& reserved, std::uint64_t ticket) noexcept {
    ++write_;
    reserved.publish(ticket);
  }

  // True while a callable is under construction in the reserved slot: user code that runs there and
  // posts to the same loop must use another lane.
  bool constructing() const noexcept { return constructing_; }
  void set_constructing(bool value) noexcept { constructing_ = value; }

  // ---- consumer ----

  // Returns the oldest published slot, or null. It stays valid until the next peek() after pop().
  Slot* peek() noexcept {
    if (read_ == read_end_) [[unlikely]] {
      if (!advance()) return nullptr;
    }
    return read_->ticket() > last_read_ ? read_ : nullptr;
  }
  // Takes and returns the oldest slot if it carries exactly `ticket`; else returns null. Only slots
  // with tickets below `limit`, which count as written, are prefetched: prefetching a line that the
  // producer is about to write would take the line away from it.
  Slot* pop_if(std::uint64_t ticket, std::uint64_t limit) noexcept {
    if (read_ == read_end_) [[unlikely]] {
      if (!advance()) return nullptr;
      fetch_ahead(limit - ticket);
    }
    if (read_->ticket() != ticket) return nullptr;
    if (ticket + kReadAhead < limit) prefetch_to_read(read_ + kReadAhead);
    last_read_ = ticket;
    return read_++;
  }
  // Whether the oldest slot carries exactly `ticket`.
  bool is_next(std::uint64_t ticket) noexcept {
    if (read_ == read_end_) [[unlikely]] {
      if (!advance()) return false;
    }
    return read_->ticket() == ticket;
  }
  // Takes the slot that peek() returned.
  void pop(const Slot& peeked) noexcept {
    last_read_ = peeked.ticket();
    ++read_;
  }
  // Frees all spare segments but one, which a lane in light use needs.
  void trim() noexcept { bag_.keep_at_most(1); }

  // The next lane of the mailbox; constant once the lane is listed. Set by LaneSet.
  Lane* next_listed = nullptr;

 private:
  static constexpr std::size_t kFirstSlots = 8;
  static constexpr std::size_t kMostSlots = 128;
  // Slots prefetched: enough to cover a line's way between cores, some hundred nanoseconds.
  static constexpr std::ptrdiff_t kWriteAhead = 16;
  static constexpr std::uint64_t kReadAhead = 8;
  static constexpr std::uint64_t kFarAhead = SegmentBag::kPlaces;
  // A lane that has used up this many segments is busy: its small ones are freed, not reused.
  static constexpr std::uint64_t kSegmentsBeforeGrowth = 16;

  ZMQLOOP_EXPORT void grow();
  Segment::Owner wait_for_segment() noexcept;
  ZMQLOOP_EXPORT bool advance() noexcept;
  ZMQLOOP_EXPORT void fetch_ahead(std::uint64_t written) noexcept;

  // Producer only.
  Slot* write_;
  Slot* write_end_;
  Segment* write_segment_;
  std::uint64_t segments_filled_ = 0;
  std::uint64_t progress_seen_ = 0;
  bool constructing_ = false;

  // Consumer only.
  alignas(128) Slot* read_;
  Slot* read_end_;
  Segment* read_segment_;
  std::uint64_t last_read_ = 0;

  // Shared: the bag [L3], and how many segments the consumer has emptied.
  alignas(128) SegmentBag bag_;
  Atom<std::uint64_t> segments_emptied_{0};
};

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_MAILBOX_LANE_H_
