#include "zmqloop/threading/mailbox.h"

#include <algorithm>

#include "zmqloop/threading/cpu_hints.h"

namespace zmqloop {
namespace {

// Waits for another thread's next few instructions: spins first, then lets it have the core.
class ShortWait {
 public:
  void step() noexcept {
    if (steps_++ < kSpins) {
      cpu_relax();
    } else {
      yield_core();
    }
  }

 private:
  static constexpr int kSpins = 64;
  int steps_ = 0;
};

}  // namespace

Mailbox::Mailbox(std::size_t signal_slots)
    : MailboxInlet(signal_slots), current_(&lanes_->acquire()) {
  lanes_->release(*current_);  // for the first thread that posts
}

Mailbox::~Mailbox() { close(); }

// ---- any thread ----

std::uint64_t Mailbox::pending() const noexcept {
  const std::uint64_t taken = taken_.get() + kFirst;
  const ControlWord::View now = look();
  return now.closed() || now.next_ticket() < taken ? 0 : now.next_ticket() - taken;
}

// ---- consumer ----

// Takes the lowest published ticket of the batch among all lanes and the signal slots. The lane at
// hand stays out of the heap, so that a run of posts from one thread costs no heap operation.
Slot* Mailbox::take_merged() {
  if (!gathered_) gather();
  Slot* const here = current_->peek();
  const std::uint64_t here_ticket = here != nullptr ? here->ticket() : batch_limit_;
  const std::uint64_t other_ticket = heads_.empty() ? batch_limit_ : heads_.front().ticket;
  Slot* const signal = signal_slots_.peek();
  const std::uint64_t signal_ticket = signal != nullptr ? signal->ticket() : batch_limit_;

  if (signal_ticket < std::min(here_ticket, other_ticket)) return take_signal_post(*signal);
  if (here_ticket < other_ticket) return take_head_of(*current_, *here);
  if (other_ticket == batch_limit_) return nullptr;

  std::pop_heap(heads_.begin(), heads_.end());
  Lane& next = *heads_.back().lane;
  if (here_ticket < batch_limit_) {
    heads_.back() = {here_ticket, current_};
    std::push_heap(heads_.begin(), heads_.end());
  } else {
    heads_.pop_back();
  }
  current_ = &next;
  return take_head_of(next, *next.peek());
}

void Mailbox::gather() {
  heads_.clear();
  for (Lane* lane = lanes_->first(); lane != nullptr; lane = lane->next_listed) {
    if (lane == current_) continue;
    const Slot* const head = lane->peek();
    if (head != nullptr && head->ticket() < batch_limit_) heads_.push_back({head->ticket(), lane});
  }
  std::make_heap(heads_.begin(), heads_.end());
  signal_slots_.collect(batch_limit_);
  gathered_ = true;
}

Slot* Mailbox::take_head_of(Lane& lane, Slot& head) noexcept {
  lane.pop(head);
  note_order(head.ticket());
  taken_.add();
  return &head;
}

Slot* Mailbox::take_signal_post(Slot& head) noexcept {
  const std::uint64_t ticket = head.ticket();
  signal_slots_.pop();
  signal_scratch_.copy_callable(head);
  signal_slots_.recycle(head);
  note_order(ticket);
  taken_.add();
  return &signal_scratch_;
}

void Mailbox::note_order(std::uint64_t ticket) noexcept {
  expected_ = ticket == expected_ ? ticket + 1 : kOutOfOrder;
}

void Mailbox::trim() noexcept {
  if (taken_.get() - trimmed_at_ < kTrimEvery) return;
  trimmed_at_ = taken_.get();
  for (Lane* lane = lanes_->first(); lane != nullptr; lane = lane->next_listed) lane->trim();
}

// ---- owner ----

std::uint64_t Mailbox::close() {
  const ControlWord::View last = word_.close();
  if (last.closed()) return 0;
  const std::uint64_t taken_before = taken_.get();
  for (ShortWait wait; !poisoned_; wait.step()) {
    begin_batch(last);
    while (Slot* slot = take()) slot->destroy();
    if (taken_.get() + kFirst == last.next_ticket()) break;
  }
  for (ShortWait wait; !poisoned_ && !no_visitors();) wait.step();
  lanes_->retire();
  return taken_.get() - taken_before;
}

void Mailbox::poison() noexcept {
  word_.close();
  batch_limit_ = 0;
  expected_ = kFirst;
  poisoned_ = true;
}

}  // namespace zmqloop
