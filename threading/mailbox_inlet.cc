#include "zmqloop/threading/mailbox_inlet.h"

namespace zmqloop {

MailboxInlet::MailboxInlet(std::size_t signal_slots)
    : lanes_(std::make_shared<LaneSet>()), lanes_id_(lanes_->id()), signal_slots_(signal_slots) {}

PostResult MailboxInlet::end_visit_or_wake(ControlWord::View before) noexcept {
  if (before.asleep() && word_.clear_asleep()) return PostResult::kMustWake;
  end_visit();
  return PostResult::kAccepted;
}

PostResult MailboxInlet::request_stop(std::atomic<bool>& notice) noexcept {
  begin_visit();  // [M4]
  // release: whoever ends the loop because of it sees this visit; pairs with the loop's load.
  notice.store(true, std::memory_order_release);
  return end_visit_or_wake(word_.request_stop());
}

PostResult MailboxInlet::refuse_signal_post() noexcept {
  signal_refused_.add();
  end_visit();
  return PostResult::kRefused;
}

void MailboxInlet::begin_visit() noexcept {
  // relaxed: ordered before the effect that close() waits to see by that effect's own release
  // (publish() or request_stop()); pairs with acquire in no_visitors() [M4].
  visitors_.fetch_add(1, std::memory_order_relaxed);
}

void MailboxInlet::end_visit() noexcept {
  // release: our last touch of the mailbox precedes its destruction; pairs with no_visitors() [M4].
  visitors_.fetch_sub(1, std::memory_order_release);
}

}  // namespace zmqloop
