// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/mailbox/signal_slots.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <string>
#include <sys/mman.h>
#include <system_error>

namespace zmqloop {

SignalSlots::SignalSlots(std::size_t count)
    : count_(count),
      words_((count + kBits - 1) / kBits),
      free_(std::make_unique<Atom<std::uint64_t>[]>(words_)),
      reserved_(std::make_unique<Atom<std::uint64_t>[]>(words_)),
      in_order_(std::make_unique<Atom<std::uint64_t>[]>(words_)),
      ready_(std::make_unique<Atom<std::uint64_t>[]>(words_)) {
  if (count == 0) return;
  void* memory =
      ::mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw std::system_error(errno, std::generic_category(),
                            "IOLoop: mmap of " + std::to_string(count) + " signal slots");
  }
  // Zeroed pages are valid slots (no operations, ticket 0). We touch none, so they take no memory.
  slots_ = static_cast<Slot*>(memory);
  order_ = reinterpret_cast<Slot**>(slots_ + count);
  for (std::size_t i = 0; i < count; ++i) set_free(i);
}

SignalSlots::~SignalSlots() {
  if (slots_ != nullptr) ::munmap(static_cast<void*>(slots_), bytes());
}

Slot* SignalSlots::claim() noexcept {
  for (std::size_t word = 0; word < words_; ++word) {
    // relaxed: only a hint at which bits to try; the fetch_and below decides.
    std::uint64_t candidates = free_[word].load(std::memory_order_relaxed);
    while (candidates != 0) {
      const auto bit = static_cast<std::size_t>(std::countr_zero(candidates));
      const std::uint64_t mask = std::uint64_t{1} << bit;
      // acquire: the consumer is done with the slot; pairs with release in set_free().
      if ((free_[word].fetch_and(~mask, std::memory_order_acquire) & mask) != 0) {
        return &slots_[word * kBits + bit];
      }
      candidates &= ~mask;
    }
  }
  return nullptr;
}

void SignalSlots::keep_in_order(Slot& slot) noexcept {
  const std::size_t index = index_of(slot);
  // relaxed: ordered before the consumer's look by the release in publish().
  in_order_[index / kBits].fetch_or(std::uint64_t{1} << (index % kBits), std::memory_order_relaxed);
}

void SignalSlots::publish(Slot& slot, std::uint64_t ticket) noexcept {
  slot.publish(ticket);
  const std::size_t index = index_of(slot);
  // release: the slot is complete; pairs with acquire in collect().
  ready_[index / kBits].fetch_or(std::uint64_t{1} << (index % kBits), std::memory_order_release);
}

Slot* SignalSlots::reserve() noexcept {
  Slot* const slot = claim();
  if (slot == nullptr) return nullptr;
  const std::size_t index = index_of(*slot);
  // relaxed: the release in the slot's first publish() makes it visible to the consumer.
  reserved_[index / kBits].fetch_or(std::uint64_t{1} << (index % kBits), std::memory_order_relaxed);
  return slot;
}

void SignalSlots::unreserve(Slot& slot) noexcept {
  const std::size_t index = index_of(slot);
  // relaxed: ordered before the slot's next use by the release in set_free().
  reserved_[index / kBits].fetch_and(~(std::uint64_t{1} << (index % kBits)),
                                     std::memory_order_relaxed);
  set_free(index);
}

void SignalSlots::recycle(Slot& slot) noexcept {
  const std::size_t index = index_of(slot);
  // relaxed: this bit is older than the slot's claim, or than the publish() that we acquired.
  const std::uint64_t reserved = reserved_[index / kBits].load(std::memory_order_relaxed);
  const std::uint64_t mask = std::uint64_t{1} << (index % kBits);
  // relaxed, both: as above; the release in set_free() orders the change before the next claim.
  if ((in_order_[index / kBits].load(std::memory_order_relaxed) & mask) != 0) [[unlikely]]
    in_order_[index / kBits].fetch_and(~mask, std::memory_order_relaxed);
  if ((reserved >> (index % kBits) & 1) == 0) set_free(index);
}

void SignalSlots::set_free(std::size_t index) noexcept {
  // release: our last access to the slot precedes its reuse; pairs with acquire in claim().
  free_[index / kBits].fetch_or(std::uint64_t{1} << (index % kBits), std::memory_order_release);
}

void SignalSlots::collect(std::uint64_t limit, Which which) noexcept {
  collected_ = 0;
  taken_ = 0;
  for (std::size_t word = 0; word < words_; ++word) {
    // acquire: the slots are complete; pairs with release in publish().
    std::uint64_t ready = ready_[word].load(std::memory_order_acquire);
    // relaxed: set before the slot was published, cleared by the consumer.
    if (which == Which::kEarly) ready &= ~in_order_[word].load(std::memory_order_relaxed);
    for (; ready != 0; ready &= ready - 1) {
      Slot& slot = slots_[word * kBits + static_cast<std::size_t>(std::countr_zero(ready))];
      if (slot.ticket() < limit) order_[collected_++] = &slot;
    }
  }
  std::sort(order_, order_ + collected_,
            [](const Slot* a, const Slot* b) { return a->ticket() < b->ticket(); });
}

void SignalSlots::pop() noexcept {
  const std::size_t index = index_of(*order_[taken_++]);
  // relaxed: only the consumer clears ready bits and it has acquired this one in collect().
  ready_[index / kBits].fetch_and(~(std::uint64_t{1} << (index % kBits)),
                                  std::memory_order_relaxed);
}

}  // namespace zmqloop
