// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/mailbox/mailbox.h"

#include <algorithm>
#include <new>

#include "zmqloop/threading/host/backoff.h"

namespace zmqloop {

Mailbox::Mailbox(std::size_t signal_slots)
    : MailboxInlet(signal_slots), current_(&lanes_->acquire()) {
  recent_.fill(current_);
  heads_.reserve(16);  // so that merging few lanes never allocates
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

// The next ticket is most often in a lane that had one shortly before, so a few threads that post
// at the same time cost no merge.
Slot* Mailbox::take_elsewhere() {
  if (expected_ != kOutOfOrder) {
    if (expected_ >= batch_limit_) return nullptr;
    for (Lane*& lane : recent_) {
      if (Slot* const slot = take_expected_of(*lane)) {
        std::swap(lane, current_);
        return slot;
      }
    }
  }
  return take_merged();
}

// Takes the lowest published ticket of the batch among all lanes and the signal slots.
Slot* Mailbox::take_merged() {
  if (!gathered_) gather();
  move_up_heads();
  Slot* const signal = signal_slots_.peek();
  if (signal != nullptr && (heads_.empty() || signal->ticket() < heads_.front().ticket)) {
    return take_signal_post(*signal);
  }
  if (heads_.empty()) return nullptr;

  Lane& lane = *heads_.front().lane;
  if (&lane != current_) {
    std::rotate(recent_.begin(), recent_.end() - 1, recent_.end());
    recent_.front() = std::exchange(current_, &lane);
  }
  Slot* const slot = lane.peek();
  lane.pop(*slot);
  note_taken(slot->ticket());
  return slot;
}

void Mailbox::gather() {
  heads_.clear();
  for (Lane* lane = lanes_->first(); lane != nullptr; lane = lane->next_listed) {
    const Slot* const head = lane->peek();
    if (head != nullptr && head->ticket() < batch_limit_) heads_.push_back({head->ticket(), lane});
  }
  std::make_heap(heads_.begin(), heads_.end());
  signal_slots_.collect(batch_limit_);
  gathered_ = true;
}

// Brings the lowest of heads_ up to date: posts may have been taken from its lane since.
void Mailbox::move_up_heads() {
  while (!heads_.empty()) {
    Lane& lane = *heads_.front().lane;
    const Slot* const head = lane.peek();
    const std::uint64_t ticket = head != nullptr ? head->ticket() : batch_limit_;
    if (ticket == heads_.front().ticket) return;
    std::pop_heap(heads_.begin(), heads_.end());
    heads_.pop_back();
    if (ticket >= batch_limit_) continue;
    heads_.push_back({ticket, &lane});
    std::push_heap(heads_.begin(), heads_.end());
  }
}

Slot* Mailbox::take_signal_post(Slot& head) noexcept {
  const std::uint64_t ticket = head.ticket();
  signal_slots_.pop();
  signal_scratch_.copy_callable(head);
  signal_slots_.recycle(head);
  note_taken(ticket);
  return &signal_scratch_;
}

void Mailbox::note_taken(std::uint64_t ticket) noexcept {
  taken_.add();
  if (ticket == expected_) {
    ++expected_;
    return;
  }
  highest_ = expected_ == kOutOfOrder ? std::max(highest_, ticket) : ticket;
  // If taken_ equals the number of tickets up to the highest, none below is left: the order is
  // whole again.
  expected_ = taken_.get() + kFirst == highest_ + 1 ? highest_ + 1 : kOutOfOrder;
}

// Finds the posts published before the word said that the loop sleeps: their posters saw an awake
// loop and do not ring. A later poster is still half-way through, and delays only its own post.
bool Mailbox::try_doze() noexcept {
  const ControlWord::View before = look();
  if (!word_.try_fall_asleep(before.next_ticket())) return false;
  bool found = false;
  for (Lane* lane = lanes_->first(); lane != nullptr && !found; lane = lane->next_listed) {
    found = lane->peek() != nullptr;
  }
  if (!found) {
    signal_slots_.collect(before.next_ticket());
    found = signal_slots_.peek() != nullptr;
  }
  if (found) wake_up();
  return !found;
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
  for (Backoff backoff; !poisoned_; backoff.step()) {
    begin_batch(last);
    try {
      while (Slot* const slot = take()) slot->destroy();
    } catch (const std::bad_alloc&) {
      destroy_unordered();
    }
    if (taken_.get() + kFirst == last.next_ticket()) break;
  }
  for (Backoff backoff; !poisoned_ && !no_visitors();) backoff.step();
  lanes_->retire();
  return taken_.get() - taken_before;
}

// Destroys the posts that have arrived, lane by lane, when there is no memory to merge the lanes.
void Mailbox::destroy_unordered() noexcept {
  expected_ = kOutOfOrder;
  for (Lane* lane = lanes_->first(); lane != nullptr; lane = lane->next_listed) {
    while (Slot* const slot = lane->peek()) {
      lane->pop(*slot);
      taken_.add();
      slot->destroy();
    }
  }
  signal_slots_.collect(batch_limit_);
  while (Slot* const slot = signal_slots_.peek()) take_signal_post(*slot)->destroy();
}

void Mailbox::poison() noexcept {
  word_.close();
  batch_limit_ = 0;
  expected_ = kFirst;
  poisoned_ = true;
}

}  // namespace zmqloop
