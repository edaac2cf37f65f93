// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/mailbox/mailbox_inlet.h"

namespace zmqloop {

MailboxInlet::MailboxInlet(std::size_t signal_slots)
    : lanes_(std::make_shared<LaneSet>()),
      own_lane_place_(lanes_->id()),
      signal_slots_(signal_slots) {}

PostResult MailboxInlet::end_visit_or_wake(ControlWord::View before) noexcept {
  if (before.asleep() && word_.clear_asleep()) return PostResult::kMustWake;
  end_visit();
  return PostResult::kAccepted;
}

PostResult MailboxInlet::request_stop() noexcept {
  begin_visit();  // [M4]
  // relaxed: a hint that only makes stop_requested() look at the word. The flag there alone is the
  // stop, so a late hint cannot end a later run. The hint is set before the flag.
  stop_hint_.store(true, std::memory_order_relaxed);
  return end_visit_or_wake(word_.request_stop());
}

PostResult MailboxInlet::raise(Slot& reserved) noexcept {
  begin_visit();  // [M4]
  return publish_signal_post(reserved);
}

PostResult MailboxInlet::publish_signal_post(Slot& slot) noexcept {
  const ControlWord::View before = word_.take_ticket();
  if (before.closed()) {
    signal_slots_.recycle(slot);
    return refuse_signal_post();
  }
  signal_accepted_.add();
  signal_slots_.publish(slot, before.next_ticket());
  return end_visit_or_wake(before);
}

PostResult MailboxInlet::refuse_signal_post() noexcept {
  signal_refused_.add();
  end_visit();
  return PostResult::kRefused;
}

void MailboxInlet::begin_visit() noexcept {
  // relaxed: the effect that close() waits for has its own release (publish() or request_stop()),
  // which orders this add before the effect; pairs with acquire in no_visitors() [M4].
  visitors_.fetch_add(1, std::memory_order_relaxed);
}

void MailboxInlet::end_visit() noexcept {
  // release: our last touch of the mailbox precedes its destruction; pairs with no_visitors() [M4].
  visitors_.fetch_sub(1, std::memory_order_release);
}

}  // namespace zmqloop
