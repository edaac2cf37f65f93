// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/mailbox/lane.h"

#include <algorithm>
#include <new>
#include <utility>

#include "zmqloop/threading/host/cpu_hints.h"
#include "zmqloop/threading/mailbox/thread_role.h"

namespace zmqloop {

Segment::Owner Segment::make(std::size_t slots) {
  void* memory = ::operator new (sizeof(Segment) + slots * sizeof(Slot), std::align_val_t{64});
  auto* segment = ::new (memory) Segment(slots);
  std::uninitialized_default_construct_n(segment->begin(), slots);
  return Owner(segment);
}

void Segment::Free::operator()(Segment* segment) const noexcept {
  ::operator delete (static_cast<void*>(segment), std::align_val_t{64});
}

void SegmentBag::put(Segment::Owner segment) noexcept {
  for (Atom<Segment*>& place : places_) {
    Segment* empty = nullptr;
    // release: our last reads of the slots precede their reuse; pairs with acquire in take().
    // relaxed on failure: an occupied place is skipped, nothing is read through it. One atomic step
    // is more than needed: only the consumer fills places.
    if (place.compare_exchange_strong(empty, segment.get(), std::memory_order_release,
                                      std::memory_order_relaxed)) {
      static_cast<void>(segment.release());
      return;
    }
  }
}

Segment::Owner SegmentBag::take() noexcept {
  for (Atom<Segment*>& place : places_) {
    // relaxed: only a hint that skips the exchange on empty places.
    if (place.load(std::memory_order_relaxed) == nullptr) continue;
    // acquire: the consumer is done with the slots; pairs with release in put().
    if (Segment* segment = place.exchange(nullptr, std::memory_order_acquire)) {
      return Segment::Owner(segment);
    }
  }
  return nullptr;
}

void SegmentBag::keep_at_most(std::size_t count) noexcept {
  for (std::size_t i = count; i < kPlaces; ++i) {
    // relaxed: only a hint that skips the exchange on empty places.
    if (places_[i].load(std::memory_order_relaxed) == nullptr) continue;
    // acquire: the consumer that put it is done with it; pairs with release in put(). More than
    // needed while only the consumer trims and the last owner of all lanes destroys them.
    Segment::Owner(places_[i].exchange(nullptr, std::memory_order_acquire)).reset();
  }
}

Lane::Lane() {
  write_segment_ = Segment::make(kFirstSlots).release();
  write_ = write_segment_->begin();
  write_end_ = write_segment_->end();
  read_segment_ = write_segment_;
  read_ = write_;
  read_end_ = write_end_;
}

Lane::~Lane() {
  while (read_segment_ != nullptr) {
    read_segment_ = Segment::Owner(read_segment_)->next();
  }
}

void Lane::grow() {
  // relaxed: a progress hint, no data hangs on it; written in advance().
  const std::uint64_t emptied = segments_emptied_.load(std::memory_order_relaxed);
  const bool consumer_works = emptied != progress_seen_;
  progress_seen_ = emptied;

  Segment::Owner segment = bag_.take();
  if (!segment && !ThreadRole::runs_loop() && consumer_works &&
      segments_filled_ - emptied >= kFarAhead) {
    segment = wait_for_segment();
  }
  if (!segment) segment = Segment::make(std::min(write_segment_->slots() * 4, kMostSlots));

  segment->link(nullptr);
  Segment* const next = segment.release();
  write_segment_->link(next);
  write_segment_ = next;
  write_ = next->begin();
  write_end_ = next->end();
  ++segments_filled_;
  // All at once: prefetched one by one, each slot would hold up the ticket that follows it.
  for (Slot* slot = write_; slot < std::min(write_ + kWriteAhead, write_end_); ++slot) {
    prefetch_to_write(slot);
  }
}

// Waits some microseconds for the consumer to return a segment. A lane that far ahead has left the
// cache: warm memory a little later is worth more than a new segment at once.
Segment::Owner Lane::wait_for_segment() noexcept {
  constexpr int kSpins = 128;
  constexpr int kYields = 2;
  for (int i = 0; i < kSpins + kYields; ++i) {
    if (i < kSpins) {
      cpu_relax();
    } else {
      yield_core();
    }
    if (Segment::Owner segment = bag_.take()) return segment;
  }
  return nullptr;
}

bool Lane::advance() noexcept {
  Segment* const next = read_segment_->next();
  if (next == nullptr) return false;
  Segment::Owner emptied(std::exchange(read_segment_, next));
  read_ = next->begin();
  read_end_ = next->end();
  // relaxed: a progress hint for grow(); the single writer needs no read-modify-write.
  const std::uint64_t count = segments_emptied_.load(std::memory_order_relaxed) + 1;
  segments_emptied_.store(count, std::memory_order_relaxed);
  if (count < kSegmentsBeforeGrowth || emptied->slots() == kMostSlots) {
    bag_.put(std::move(emptied));
  }
  return true;
}

// Prefetches the first slots of a segment; pop_if() prefetches the others one by one.
void Lane::fetch_ahead(std::uint64_t written) noexcept {
  for (std::uint64_t i = 1; i < std::min(written, kReadAhead); ++i) prefetch_to_read(read_ + i);
}

}  // namespace zmqloop
