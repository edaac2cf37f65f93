// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The side of a mailbox that any thread and any signal handler may touch: posting and stopping.
//
// Each posting thread writes to a lane of its own (lane.h). One word (control_word.h) gives every
// post a ticket; the same step tells the poster whether the post is accepted, and whether it must
// wake a sleeping loop. A post is one atomic add, one slot write and one release store: no lock, no
// allocation, no system call.
//
//   if (mailbox.post(callable) == PostResult::kMustWake) { waker.wake(); mailbox.woken(); }
//
// Threads: any, and signal handlers where marked.
// Owns: the word, the lanes and the signal slots; the taking side is mailbox.h.
// Errors: post() passes on exceptions of the callable's copy or move, and std::bad_alloc; nothing
// was posted then. Refusal is a value.
// Internal.

#ifndef ZMQLOOP_THREADING_MAILBOX_MAILBOX_INLET_H_
#define ZMQLOOP_THREADING_MAILBOX_MAILBOX_INLET_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "zmqloop/threading/host/export.h"
#include "zmqloop/threading/mailbox/control_word.h"
#include "zmqloop/threading/mailbox/counter.h"
#include "zmqloop/threading/mailbox/lane.h"
#include "zmqloop/threading/mailbox/lane_set.h"
#include "zmqloop/threading/mailbox/one_shot.h"
#include "zmqloop/threading/mailbox/primitives.h"
#include "zmqloop/threading/mailbox/signal_slots.h"

namespace zmqloop {

enum class [[nodiscard]] PostResult : unsigned char{
    kRefused,   // closed, or no signal slot free
    kAccepted,  // the loop is awake and will see it
    kMustWake,  // accepted; the caller rings the doorbell and then calls woken()
};

class MailboxInlet {
 public:
  MailboxInlet(const MailboxInlet&) = delete;
  MailboxInlet& operator=(const MailboxInlet&) = delete;

  // ---- any thread ----

  // Posts a callable. If refused, the callable is destroyed unrun.
  template <class F>
  PostResult post(F&& f);

  // Call this after ringing the doorbell for a kMustWake.
  void woken() noexcept { end_visit(); }

  ControlWord::View look() const noexcept { return word_.look(); }

  // Reserves a signal slot for a callable that raise() posts, one post at a time; null if all are
  // taken.
  template <class F>
  Slot* reserve_signal_slot(const F& f) noexcept;
  // Gives the slot back; its callable must not be waiting to run.
  void unreserve_signal_slot(Slot& slot) noexcept { signal_slots_.unreserve(slot); }

  std::uint64_t refused() const noexcept { return refused_.get(); }
  std::uint64_t signal_posts_accepted() const noexcept { return signal_accepted_.get(); }
  std::uint64_t signal_posts_refused() const noexcept { return signal_refused_.get(); }

  // ---- signal handler, or any thread ----

  // Posts a callable from a signal handler: lock-free, no allocation, no thread-local construction.
  // It may be taken before earlier posts of threads.
  template <class F>
  PostResult post_from_signal(const F& f) noexcept;
  // The same for a thread that finds no memory for a lane: the post keeps its place among the posts
  // of threads.
  template <class F>
  PostResult post_in_signal_slot(const F& f) noexcept;

  // Posts the callable of a reserved signal slot, which must not be waiting already.
  PostResult raise(Slot& reserved) noexcept;

  // Latches a stop; kMustWake if the loop sleeps.
  PostResult request_stop() noexcept;

  // ---- any thread ----

  // Calls `put`, which leaves work for the loop beside its posts, and makes the loop look there;
  // kMustWake if the loop sleeps.
  template <class Put>
  PostResult call(Put put);

 protected:
  explicit MailboxInlet(std::size_t signal_slots);
  ~MailboxInlet() = default;

  // True if no visitor is left: none is between taking effect and leaving [M4].
  bool no_visitors() const noexcept {
    // acquire: a visitor's last touch precedes our return; pairs with end_visit() [M4].
    return visitors_.load(std::memory_order_acquire) == 0;
  }
  // The calling thread's lane, or null.
  Lane* own_lane() const noexcept { return PostingThread::cached_lane(own_lane_place_); }

  // Shared by posters and consumer; on cache lines of its own.
  alignas(128) ControlWord word_;

  // Constant after construction.
  alignas(128) const std::shared_ptr<LaneSet> lanes_;
  const PostingThread::Place own_lane_place_;
  SignalSlots signal_slots_;

  // Read often by the consumer, written rarely: whether to look at the word for a stop.
  Atom<bool> stop_hint_{false};

 private:
  // Passes a prepared callable to a function that is not inlined. A trivially copyable callable is
  // passed by value: if we passed its address on, it would be built in memory on every path.
  template <class P>
  using Handed = std::conditional_t<std::is_trivially_copyable_v<std::remove_cvref_t<P>>,
                                    std::remove_cvref_t<P>, P&&>;

  template <class P>
  PostResult post_in(Lane& lane, P&& prepared);
  template <class P>
  [[gnu::noinline]] PostResult post_in_other_lane(P prepared);
  template <class P>
  [[gnu::noinline]] PostResult post_asleep_or_closed(Lane& lane, Slot& slot,
                                                     ControlWord::View before, P prepared);
  template <class P>
  void publish_in(Lane& lane, Slot& slot, ControlWord::View before, P&& prepared) noexcept;
  // Counts a refusal; destroys the callable if the caller gave it away.
  template <class P>
  PostResult refuse(P&& prepared);
  // Ends a visit, unless the caller has to wake the loop: then woken() ends it.
  ZMQLOOP_EXPORT PostResult end_visit_or_wake(ControlWord::View before) noexcept;
  // Publishes or gives back; within a visit, which it ends.
  ZMQLOOP_EXPORT PostResult publish_signal_post(Slot& slot) noexcept;
  enum class SlotOrder : bool { kFree, kKept };
  template <class F>
  PostResult post_in_slot(const F& f, SlotOrder order) noexcept;
  ZMQLOOP_EXPORT PostResult refuse_signal_post() noexcept;
  ZMQLOOP_EXPORT void begin_visit() noexcept;
  ZMQLOOP_EXPORT void end_visit() noexcept;

  // Shared, rarely touched.
  alignas(128) Atom<std::uint64_t> visitors_{0};
  SharedCounter refused_;
  SharedCounter signal_accepted_;
  SharedCounter signal_refused_;
};

// Inlined into the caller, so that the callable is written straight into its slot. post() and
// post_in() hold the path of nearly every post; the rare paths are functions that are not inlined.
template <class F>
[[gnu::always_inline]] inline PostResult MailboxInlet::post(F&& f) {
  decltype(auto) prepared = one_shot::prepare(std::forward<F>(f));
  using P = decltype(prepared);
  Lane* const lane = own_lane();
  if (lane == nullptr || lane->constructing()) [[unlikely]] {
    return post_in_other_lane<Handed<P>>(std::forward<P>(prepared));
  }
  return post_in(*lane, std::forward<P>(prepared));
}

template <class P>
[[gnu::always_inline]] inline PostResult MailboxInlet::post_in(Lane& lane, P&& prepared) {
  Slot& slot = lane.reserve();
  const ControlWord::View before = word_.take_ticket();
  if (before.concerns_posters()) [[unlikely]] {
    return post_asleep_or_closed<Handed<P>>(lane, slot, before, std::forward<P>(prepared));
  }
  publish_in(lane, slot, before, std::forward<P>(prepared));
  return PostResult::kAccepted;
}

// Handles a thread's first post here, a post from inside the construction of a callable in the
// thread's lane, and a post of a thread that is being destroyed.
template <class P>
PostResult MailboxInlet::post_in_other_lane(P prepared) {
  Lane* lane = own_lane();
  if (lane == nullptr) {
    if (look().closed()) return refuse(std::forward<P>(prepared));
    lane = PostingThread::find_or_acquire_lane(*lanes_);
  }
  std::optional<BorrowedLane> borrowed;
  if (lane == nullptr || lane->constructing()) lane = &borrowed.emplace(lanes_).lane();
  return post_in(*lane, std::forward<P>(prepared));
}

template <class P>
PostResult MailboxInlet::post_asleep_or_closed(Lane& lane, Slot& slot, ControlWord::View before,
                                               P prepared) {
  if (before.closed()) return refuse(std::forward<P>(prepared));
  begin_visit();  // [M4]
  publish_in(lane, slot, before, std::forward<P>(prepared));
  return end_visit_or_wake(before);
}

template <class P>
void MailboxInlet::publish_in(Lane& lane, Slot& slot, ControlWord::View before,
                              P&& prepared) noexcept {
  if constexpr (std::is_trivially_copyable_v<std::remove_cvref_t<P>>) {
    slot.construct(std::forward<P>(prepared));
  } else {
    lane.set_constructing(true);
    slot.construct(std::forward<P>(prepared));
    lane.set_constructing(false);
  }
  lane.commit(slot, before.next_ticket());
}

template <class P>
PostResult MailboxInlet::refuse(P&& prepared) {
  refused_.add();
  if constexpr (!std::is_lvalue_reference_v<P&&>) {
    [[maybe_unused]] std::remove_cvref_t<P> destroyed_unrun(std::forward<P>(prepared));
  }
  return PostResult::kRefused;
}

// Checks that a signal slot can hold an F.
template <class F>
constexpr void require_signal_callable() {
  static_assert(std::is_trivially_copyable_v<F>,
                "a callable posted from a signal handler must be trivially copyable");
  static_assert(sizeof(F) <= one_shot::kBytes,
                "a callable posted from a signal handler must not exceed 48 bytes");
  static_assert(alignof(F) <= one_shot::kAlignment,
                "a callable posted from a signal handler must not be aligned to more than 16");
}

template <class F>
Slot* MailboxInlet::reserve_signal_slot(const F& f) noexcept {
  require_signal_callable<F>();
  Slot* const slot = signal_slots_.reserve();
  if (slot != nullptr) slot->construct(f);
  return slot;
}

template <class F>
PostResult MailboxInlet::post_from_signal(const F& f) noexcept {
  return post_in_slot(f, SlotOrder::kFree);
}

template <class F>
PostResult MailboxInlet::post_in_signal_slot(const F& f) noexcept {
  return post_in_slot(f, SlotOrder::kKept);
}

template <class F>
PostResult MailboxInlet::post_in_slot(const F& f, SlotOrder order) noexcept {
  require_signal_callable<F>();
  begin_visit();  // [M4]
  Slot* const slot = signal_slots_.claim();
  if (slot == nullptr) return refuse_signal_post();
  slot->construct(f);
  if (order == SlotOrder::kKept) signal_slots_.keep_in_order(*slot);
  return publish_signal_post(*slot);
}

template <class Put>
PostResult MailboxInlet::call(Put put) {
  begin_visit();  // [M4], before `put` may take effect by the call of another thread
  try {
    put();
  } catch (...) {
    end_visit();
    throw;
  }
  return end_visit_or_wake(word_.call());
}

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_MAILBOX_MAILBOX_INLET_H_
