// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The loop's side of a mailbox: the queue through which any thread and any signal handler hands
// callables to one loop.
//
// Posting is in mailbox_inlet.h. The loop takes callables in batches: a look at the word fixes
// which tickets belong to the batch, and take() merges the lanes by ticket. Tickets are dense, so
// while one lane holds the very next ticket, take() looks at no other lane.
//
// Invariants (W1 to W5 in control_word.h, L1 to L3 in lane.h, S1 to S3 in lane_set.h):
//   M1  Order: if one post returned before another began, on any threads, it is taken first. Posts
//       of signal handlers are ordered only among each other.
//   M2  Each accepted post is taken exactly once, by take() or by close().
//   M3  The loop does not fall asleep while a ticket is untaken (W3). A post half-way through keeps
//       it awake, or asleep with a time limit, and delays no other post.
//   M4  A caller that touches the mailbox after its post, stop or signal may have taken effect was
//       counted as a visitor before. close() waits for visitors, so the last callable may end the
//       loop.
//
// Threads: in groups, marked below.
// Owns: the callables that were accepted and not yet taken.
// Errors: take() throws std::bad_alloc if the number of lanes has grown and memory runs out;
// nothing is lost then.
// Internal.

#ifndef ZMQLOOP_THREADING_MAILBOX_MAILBOX_H_
#define ZMQLOOP_THREADING_MAILBOX_MAILBOX_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "zmqloop/threading/host/export.h"
#include "zmqloop/threading/mailbox/control_word.h"
#include "zmqloop/threading/mailbox/counter.h"
#include "zmqloop/threading/mailbox/lane.h"
#include "zmqloop/threading/mailbox/mailbox_inlet.h"
#include "zmqloop/threading/mailbox/slot.h"

namespace zmqloop {

class Mailbox : public MailboxInlet {
 public:
  explicit Mailbox(std::size_t signal_slots);
  ~Mailbox();

  // ---- any thread ----

  // Returns how many posts were accepted and not yet taken; approximate while others post.
  std::uint64_t pending() const noexcept;
  // Returns how many posts were taken.
  std::uint64_t taken() const noexcept { return taken_.get(); }

  // ---- consumer ----

  // Starts a batch: take() returns the posts that came before the look.
  void begin_batch(ControlWord::View look) noexcept {
    batch_limit_ = look.next_ticket();
    gathered_ = false;
  }
  // Returns the next callable of the batch, in ticket order, or null at its end. The slot stays
  // valid until the next take().
  Slot* take() {
    Slot* const slot = take_next_in_lane();
    return slot != nullptr ? slot : take_elsewhere();
  }
  // take() in two steps: the first takes a run of posts from one thread, and does not throw.
  Slot* take_next_in_lane() noexcept {
    if (expected_ >= batch_limit_) return nullptr;
    return take_expected_of(*current_);
  }
  ZMQLOOP_EXPORT Slot* take_elsewhere();
  // True if the whole batch was taken; false may also mean "unknown".
  bool batch_is_over() const noexcept { return expected_ == batch_limit_; }
  // Cuts the batch short and begins another one with all posts made by now. From it, take_early()
  // takes posts of signal handlers ahead of all others. The rest waits for the next batch.
  void cut_batch() noexcept {
    begin_batch(look());
    signal_slots_.collect_early(batch_limit_);
  }
  Slot* take_early() noexcept {
    Slot* const slot = poisoned_ ? nullptr : signal_slots_.peek();
    return slot == nullptr ? nullptr : take_signal_post(*slot);
  }
  // True if the next post in order has arrived in the current lane; false may also mean "unknown".
  // Cheaper than look(), which takes the word's cache line away from posters.
  bool next_has_arrived() noexcept { return current_->is_next(expected_); }
  // Whether the last slot taken was posted by the consumer's own thread.
  bool took_own_post() const noexcept { return current_ == own_lane(); }

  // Whether a stop is latched. Leaves the word's cache line to posters while no stop is near. A
  // stop that races with the clearing of another may be seen by look() only.
  bool stop_requested() const noexcept {
    // relaxed: a hint set by request_stop(); look() acquires the flag itself.
    return stop_hint_.load(std::memory_order_relaxed) && look().stop_requested();
  }
  void clear_called() noexcept { word_.clear_called(); }
  bool clear_stop() noexcept {
    // relaxed: a hint. If request_stop() sets the flag after the clearing below, look() sees it.
    stop_hint_.store(false, std::memory_order_relaxed);
    return word_.clear_stop();
  }
  // How many tickets taken before the look have not been consumed.
  std::uint64_t untaken(ControlWord::View look) const noexcept {
    return look.next_ticket() - (taken_.get() + kFirst);
  }
  bool all_taken() const noexcept { return untaken(look()) == 0; }
  // Falls asleep unless something is pending or a flag is set [M3]. Afterwards, wait for the
  // doorbell.
  bool try_fall_asleep() noexcept { return word_.try_fall_asleep(taken_.get() + kFirst); }
  void wake_up() noexcept { word_.clear_asleep(); }
  // Falls asleep even if a poster is between its ticket and its slot, provided nothing else is
  // pending [M3]. That poster will not ring, so wait with a time limit. Later posters will ring.
  bool try_doze() noexcept;
  // Frees memory left over from past bursts.
  void trim() noexcept;

  // ---- owner, once the consumer has ended ----

  // Refuses all later posts, destroys untaken posts on the calling thread, waits for posters
  // half-way through, and returns the number destroyed. Destroys in the order of the posts if there
  // is memory to merge them.
  std::uint64_t close();

  // ---- forked child ----

  // Refuses all later posts and ends the batch in progress. Touches nothing else of the parent's.
  ZMQLOOP_EXPORT void poison() noexcept;
  bool poisoned() const noexcept { return poisoned_; }

 private:
  static constexpr std::uint64_t kFirst = ControlWord::kFirstTicket;
  static constexpr std::uint64_t kOutOfOrder = ~std::uint64_t{0};
  static constexpr std::uint64_t kTrimEvery = 1024;

  // A lane, and a lower bound of the tickets of its untaken posts.
  struct Head {
    std::uint64_t ticket;
    Lane* lane;
    bool operator<(const Head& other) const { return ticket > other.ticket; }  // for a min-heap
  };

  Slot* take_expected_of(Lane& lane) noexcept {
    Slot* const slot = lane.pop_if(expected_, batch_limit_);
    if (slot != nullptr) [[likely]] {
      ++expected_;
      taken_.set(expected_ - kFirst);
    }
    return slot;
  }
  Slot* take_merged();
  void gather();
  void move_up_heads();
  Slot* take_signal_post(Slot& head) noexcept;
  void destroy_unordered() noexcept;
  void note_taken(std::uint64_t ticket) noexcept;

  // Consumer only, except taken_, which has one writer and is read by any thread.
  alignas(128) std::uint64_t batch_limit_ = 0;
  std::uint64_t expected_ = kFirst;  // every ticket below is taken and none above; or kOutOfOrder
  Lane* current_;                    // the lane of the last slot taken
  std::array<Lane*, 3> recent_;      // the lanes of slots before it
  Counter taken_;
  std::uint64_t highest_ = 0;             // the highest ticket taken out of order
  std::uint64_t trimmed_at_ = 0;
  bool poisoned_ = false;    // in a forked child, which has one thread
  bool gathered_ = false;    // heads_ holds every lane with a post of this batch
  std::vector<Head> heads_;  // a heap, lowest ticket first
  Slot signal_scratch_;      // a signal post's callable while it runs: its slot is free again
};

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_MAILBOX_MAILBOX_H_
