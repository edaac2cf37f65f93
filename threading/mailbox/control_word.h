// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The one atomic word of a mailbox: it counts the posts begun, and says whether the loop sleeps,
// stops, is called or is closed.
//
// The modification order of this single variable decides every race between two threads, so no
// fence and no re-check is needed:
//   W1  A post's ticket is its place in the order of posts. If post(a) returned before post(b)
//       began, ticket(a) < ticket(b), and a thread that sees a ticket count above ticket(b) sees
//       a's slot published.
//   W2  A post is accepted if kClosed was clear when it took its ticket; all others are refused.
//   W3  The loop falls asleep only by a compare-and-swap from "no ticket beyond these, no flag". So
//       a ticket, a stop, a call or a close either precedes it (and it fails) or sees kAsleep (and
//       rings).
//   W4  Of the callers that saw kAsleep, the one that clears it rings: one ring per sleep.
//   W5  The loop answers a call by clearing its flag and then looking beside the posts. It sees
//       everything that was put there before the call.
// Only read-modify-writes change the word, never a store: each of them continues the release
// sequence that take_ticket() heads.
//
// Threads: any; take_ticket(), request_stop(), call() and clear_asleep() are async-signal-safe.
// Errors: none.
// Internal.

#ifndef ZMQLOOP_THREADING_MAILBOX_CONTROL_WORD_H_
#define ZMQLOOP_THREADING_MAILBOX_CONTROL_WORD_H_

#include <cstdint>

#include "zmqloop/threading/mailbox/primitives.h"

namespace zmqloop {

class ControlWord {
 public:
  static constexpr std::uint64_t kFirstTicket = 1;  // 0 marks a slot that was never published

  // A value of the word.
  class View {
   public:
    explicit constexpr View(std::uint64_t raw) : raw_(raw) {}
    // The next ticket: every ticket below it has been taken.
    std::uint64_t next_ticket() const { return raw_ >> kTicketShift; }
    bool asleep() const { return (raw_ & kAsleep) != 0; }
    bool stop_requested() const { return (raw_ & kStop) != 0; }
    bool called() const { return (raw_ & kCalled) != 0; }
    bool closed() const { return (raw_ & kClosed) != 0; }
    // Whether the loop has more to do than to run posts.
    bool concerns_loop() const { return (raw_ & (kStop | kCalled)) != 0; }
    // Whether a post has more to do than to publish its slot.
    bool concerns_posters() const { return (raw_ & (kAsleep | kClosed)) != 0; }

   private:
    std::uint64_t raw_;
  };

  // Takes the next ticket; the view is the word as it was, with next_ticket() the ticket taken.
  View take_ticket() noexcept {
    // release: a thread that acquires a count above this ticket sees everything published by the
    // caller, or by a post that happened before this one; pairs with acquire in look() [W1].
    return View(word_.fetch_add(kOneTicket, std::memory_order_release));
  }

  // Reads the word. Everything posted before a ticket below next_ticket() was taken is visible.
  View look() const noexcept {
    // acquire: pairs with release in take_ticket() [W1].
    return View(word_.load(std::memory_order_acquire));
  }

  // Falls asleep if `next_ticket` is still next and no flag is set. Posters that hold a lower
  // ticket but have not published yet will not ring.
  bool try_fall_asleep(std::uint64_t next_ticket) noexcept {
    std::uint64_t expected = next_ticket << kTicketShift;
    // relaxed: the modification order of this word alone decides; no other memory depends on it.
    // Its partner is the value that take_ticket(), request_stop(), call() or close() returns [W3].
    return word_.compare_exchange_strong(expected, expected | kAsleep, std::memory_order_relaxed);
  }

  // Clears kAsleep; true for the one caller that found it set.
  bool clear_asleep() noexcept {
    // relaxed: as in try_fall_asleep(); the doorbell itself orders ring and wait [W4].
    return View(word_.fetch_and(~kAsleep, std::memory_order_relaxed)).asleep();
  }

  // Sets the stop flag; returns the word as it was.
  View request_stop() noexcept {
    // release: the loop that stops sees the stopper's writes; pairs with acquire in look().
    return View(word_.fetch_or(kStop, std::memory_order_release));
  }

  // Clears the stop flag; true if it was set.
  bool clear_stop() noexcept {
    // acquire: start() returns having seen the stopper's writes; pairs with request_stop().
    return View(word_.fetch_and(~kStop, std::memory_order_acquire)).stop_requested();
  }

  // Makes the loop look beside the posts; returns the word as it was.
  View call() noexcept {
    // release: the loop that looks sees everything the caller has put there; pairs with
    // clear_called() [W5]. All of it has its own lock or order today, so no scenario needs this.
    return View(word_.fetch_or(kCalled, std::memory_order_release));
  }

  // Clears the flag of a call. Do this before answering the call.
  void clear_called() noexcept {
    // acquire: sees everything put there before the call; pairs with call() [W5]. No scenario needs
    // this either.
    word_.fetch_and(~kCalled, std::memory_order_acquire);
  }

  // Closes: no later ticket is accepted. Returns the word as it was; its next_ticket() is final.
  View close() noexcept {
    // acq_rel: sees everything that was published before an accepted post took its ticket; later
    // refusals see the close. Pairs with take_ticket() [W2].
    return View(word_.fetch_or(kClosed, std::memory_order_acq_rel));
  }

 private:
  static constexpr std::uint64_t kAsleep = 1;
  static constexpr std::uint64_t kStop = 2;
  static constexpr std::uint64_t kClosed = 4;
  static constexpr std::uint64_t kCalled = 8;
  static constexpr int kTicketShift = 4;
  static constexpr std::uint64_t kOneTicket = std::uint64_t{1} << kTicketShift;

  Atom<std::uint64_t> word_{kFirstTicket << kTicketShift};
  static_assert(Atom<std::uint64_t>::is_always_lock_free);
};

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_MAILBOX_CONTROL_WORD_H_
