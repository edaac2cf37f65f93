// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Tells try_add_callback() whether a mailbox is full.
//
// The consumer updates the number of posts taken at each post. If posters read it as often, they
// would take its cache line away each time. So they remember a ticket below which there is room for
// certain, and read the number only when the next ticket has reached it.
//
// Threads: any.
// Errors: none.
// Internal.

#ifndef ZMQLOOP_THREADING_MAILBOX_PENDING_LIMIT_H_
#define ZMQLOOP_THREADING_MAILBOX_PENDING_LIMIT_H_

#include <cstdint>

#include "zmqloop/threading/mailbox/control_word.h"
#include "zmqloop/threading/mailbox/mailbox.h"
#include "zmqloop/threading/mailbox/primitives.h"

namespace zmqloop {

class PendingLimit {
 public:
  // Zero, or more than there are tickets, means no limit.
  explicit PendingLimit(std::uint64_t most) noexcept
      : most_(most),
        room_below_(most == 0 || most > kMostTickets ? kNoLimit
                                                     : ControlWord::kFirstTicket + most) {}
  PendingLimit(const PendingLimit&) = delete;
  PendingLimit& operator=(const PendingLimit&) = delete;

  std::uint64_t most() const noexcept { return most_; }

  // Whether `most` posts or more wait. Posters that ask at the same time may each add one more. A
  // closed mailbox has room: it refuses for another reason.
  bool is_reached(const Mailbox& mailbox) noexcept {
    const ControlWord::View look = mailbox.look();
    // relaxed: no data depends on this number; a stale one is lower, and only makes us ask again.
    if (look.next_ticket() < room_below_.load(std::memory_order_relaxed)) return false;
    if (look.closed()) return false;
    const std::uint64_t room_below = ControlWord::kFirstTicket + mailbox.taken() + most_;
    // relaxed: as above; a number once stored stays true, because the number taken only grows.
    room_below_.store(room_below, std::memory_order_relaxed);
    return look.next_ticket() >= room_below;
  }

 private:
  static constexpr std::uint64_t kNoLimit = ~std::uint64_t{0};
  static constexpr std::uint64_t kMostTickets = kNoLimit / 2;  // the sums below do not overflow

  const std::uint64_t most_;
  Atom<std::uint64_t> room_below_;  // tickets below it belong to posts that there was room for
};

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_MAILBOX_PENDING_LIMIT_H_
