// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// One posted callable in a lane or signal table: a cache line that publishes itself.
//
// The ticket is the publication flag: it is stored last, with release, and a reader that acquires
// the ticket it expects sees the callable. Memory is reused with ever larger tickets, so that a
// ticket left over from an earlier use can never be mistaken for a new one and slots need no
// clearing.
//
// Threads: one writer until publish(), then one reader.
// Owns: the callable between publish() and run() or destroy().
// Internal.

#ifndef ZMQLOOP_THREADING_MAILBOX_SLOT_H_
#define ZMQLOOP_THREADING_MAILBOX_SLOT_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <typeinfo>
#include <utility>

#include "zmqloop/threading/mailbox/one_shot.h"
#include "zmqloop/threading/mailbox/primitives.h"

namespace zmqloop {

class alignas(64) Slot {
 public:
  // ---- writer ----
  template <class P>
  void construct(P&& prepared) noexcept {
    ops_ = one_shot::construct(storage_, std::forward<P>(prepared));
  }
  void publish(std::uint64_t ticket) noexcept {
    // release: publishes the callable; pairs with acquire in ticket() [W1].
    ticket_.store(ticket, std::memory_order_release);
  }

  // Copies the callable of another slot, which must be trivially copyable.
  void copy_callable(const Slot& other) noexcept {
    ops_ = other.ops_;
    std::memcpy(storage_, other.storage_, sizeof(storage_));
  }

  // ---- reader ----
  std::uint64_t ticket() const noexcept {
    // acquire: the callable is visible if the ticket is; pairs with release in publish() [W1].
    return ticket_.load(std::memory_order_acquire);
  }
  void run() { ops_(storage_, one_shot::Action::kRun); }
  void destroy() { ops_(storage_, one_shot::Action::kDestroy); }
  const std::type_info& type() { return *ops_(storage_, one_shot::Action::kType); }

 private:
  one_shot::Ops ops_ = nullptr;
  Atom<std::uint64_t> ticket_{0};
  alignas(one_shot::kAlignment) std::byte storage_[one_shot::kBytes];
};
static_assert(sizeof(Slot) == 64);

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_MAILBOX_SLOT_H_
