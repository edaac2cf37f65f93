// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The posts of signal handlers: a fixed table of slots that any handler may fill at any
// instruction.
//
// A handler claims a free slot, writes its callable, takes a ticket as any post does and marks the
// slot ready; the consumer picks ready slots by ticket. Two bitmaps, free and ready, hold the
// state. A handler may interrupt another one, on this or another thread: it finds each bit either
// set or clear, and nothing is ever half linked. A handler that never returns costs one slot. It
// delays no other post, but close() waits for it for ever.
//
// A slot may be reserved: it keeps its callable and is published again and again by one owner. The
// owner publishes it again only after its callable has begun to run.
//
// Threads: claim(), keep_in_order(), publish() and recycle(): any thread and any signal handler, by
// lock-free atomics on memory mapped beforehand. reserve() and unreserve(): any thread. The rest:
// consumer only.
// Owns: the callables, which are trivially copyable.
// Errors: a full table is a value; construction throws std::system_error if the memory cannot be
// mapped.
// Internal.

#ifndef ZMQLOOP_THREADING_MAILBOX_SIGNAL_SLOTS_H_
#define ZMQLOOP_THREADING_MAILBOX_SIGNAL_SLOTS_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "zmqloop/threading/host/export.h"
#include "zmqloop/threading/mailbox/primitives.h"
#include "zmqloop/threading/mailbox/slot.h"

namespace zmqloop {

class SignalSlots {
 public:
  // Maps memory for `count` slots; untouched slots cost address space only.
  explicit SignalSlots(std::size_t count);
  SignalSlots(const SignalSlots&) = delete;
  SignalSlots& operator=(const SignalSlots&) = delete;
  ~SignalSlots();

  std::size_t capacity() const noexcept { return count_; }

  // ---- signal handler ----

  // Claims a free slot; null when all are taken. At most one step for each slot.
  ZMQLOOP_EXPORT Slot* claim() noexcept;
  // Makes collect_early() skip a claimed slot: its post keeps its place among the posts of threads.
  ZMQLOOP_EXPORT void keep_in_order(Slot& slot) noexcept;
  // Hands a claimed, constructed slot to the consumer.
  void publish(Slot& slot, std::uint64_t ticket) noexcept;
  // Makes a claimed slot free again, used or not; a reserved one stays with its owner.
  void recycle(Slot& slot) noexcept;

  // ---- any thread ----

  // Claims a free slot until unreserve(); null when all are taken.
  ZMQLOOP_EXPORT Slot* reserve() noexcept;
  // Ends a reservation; the slot must not be published.
  ZMQLOOP_EXPORT void unreserve(Slot& slot) noexcept;

  // ---- consumer ----

  // Collects the ready slots with tickets below `limit` for peek() and pop(), in ticket order.
  void collect(std::uint64_t limit) noexcept { collect(limit, Which::kAll); }
  // The same without the slots that are kept in order.
  void collect_early(std::uint64_t limit) noexcept { collect(limit, Which::kEarly); }
  // Returns the next collected slot, or null.
  Slot* peek() noexcept { return taken_ < collected_ ? order_[taken_] : nullptr; }
  // Takes the slot that peek() returned; it stays claimed until recycle().
  void pop() noexcept;

 private:
  enum class Which : bool { kAll, kEarly };
  static constexpr std::size_t kBits = 64;

  std::size_t index_of(const Slot& slot) const noexcept {
    return static_cast<std::size_t>(&slot - slots_);
  }
  void set_free(std::size_t index) noexcept;
  void collect(std::uint64_t limit, Which which) noexcept;
  std::size_t bytes() const noexcept { return count_ * (sizeof(Slot) + sizeof(Slot*)); }

  // Constant after construction.
  const std::size_t count_;
  const std::size_t words_;
  Slot* slots_ = nullptr;
  Slot** order_ = nullptr;  // room for all slots, behind them

  // Consumer only: how much collect() put into order_, and how much of it was taken.
  std::size_t collected_ = 0;
  std::size_t taken_ = 0;

  // Shared: one bit per slot.
  std::unique_ptr<Atom<std::uint64_t>[]> free_;
  std::unique_ptr<Atom<std::uint64_t>[]> reserved_;
  std::unique_ptr<Atom<std::uint64_t>[]> in_order_;
  std::unique_ptr<Atom<std::uint64_t>[]> ready_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_MAILBOX_SIGNAL_SLOTS_H_
