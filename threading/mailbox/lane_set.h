// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// All lanes of one mailbox, and the lanes of one posting thread.
//
// A thread's first post to a mailbox takes a lane: one that an exited thread left behind, else a
// new one. A thread that exits gives its lanes back with the posts still in them; tickets order the
// posts of consecutive owners. So a mailbox has only as many lanes as the most threads that posted
// to it at one time, however many came and went.
//
// Invariants:
//   S1  A listed lane stays listed: the consumer walks the list without a lock.
//   S2  A lane is listed before its first ticket is taken, so a thread that sees the ticket sees
//       the lane.
//   S3  A lane has at most one owner: a thread, or one post that borrows it.
//
// Threads: LaneSet: any thread, except the parts marked consumer. Lookup touches only
// thread-locals.
// Owns: the lanes. The mailbox and every thread that has a lane in the set share it.
// Errors: std::bad_alloc on a thread's first post to a mailbox, with nothing changed.
// Internal.

#ifndef ZMQLOOP_THREADING_MAILBOX_LANE_SET_H_
#define ZMQLOOP_THREADING_MAILBOX_LANE_SET_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "zmqloop/threading/host/export.h"
#include "zmqloop/threading/mailbox/lane.h"
#include "zmqloop/threading/mailbox/primitives.h"

namespace zmqloop {

class LaneSet : public std::enable_shared_from_this<LaneSet> {
 public:
  LaneSet();
  LaneSet(const LaneSet&) = delete;
  LaneSet& operator=(const LaneSet&) = delete;
  ~LaneSet();

  // Identifies this set among all that ever existed in the process.
  std::uint64_t id() const { return id_; }

  // ---- any thread ----

  // Takes a lane for a single owner [S3].
  ZMQLOOP_EXPORT Lane& acquire();
  // Gives a lane, with the posts in it, back for the next owner. In a forked child, does nothing:
  // another thread of the parent may hold the lock.
  ZMQLOOP_EXPORT void release(Lane& lane);

  // Ends posting to this set, so that threads forget their lanes.
  void retire() noexcept {
    // relaxed: only tells threads when to drop a cache entry; no data depends on it.
    retired_.store(true, std::memory_order_relaxed);
  }
  bool retired() const noexcept {
    // relaxed: as in retire().
    return retired_.load(std::memory_order_relaxed);
  }

  // Returns the number of lanes: the most threads that ever posted at one time.
  std::size_t size() const;

  // ---- consumer ----

  // Returns the first lane of the list; follow Lane::next_listed.
  Lane* first() const noexcept {
    // acquire: the lane is constructed and linked; pairs with release in acquire() [S1].
    return first_.load(std::memory_order_acquire);
  }

 private:
  // Constant after construction.
  const std::uint64_t id_;
  const std::uint32_t fork_generation_;

  // Guarded by mutex_.
  mutable Mutex mutex_;
  std::vector<Lane*> unowned_;
  std::size_t size_ = 0;

  // Shared.
  Atom<Lane*> first_{nullptr};
  Atom<bool> retired_{false};
};

// A lane for one post, by a thread that is being destroyed or from inside a callable's move. Shares
// the set, because the consumer may run the post and end the mailbox before the lane is given back.
class BorrowedLane {
 public:
  explicit BorrowedLane(std::shared_ptr<LaneSet> set)
      : set_(std::move(set)), lane_(set_->acquire()) {}
  BorrowedLane(const BorrowedLane&) = delete;
  BorrowedLane& operator=(const BorrowedLane&) = delete;
  ~BorrowedLane() { set_->release(lane_); }
  Lane& lane() { return lane_; }

 private:
  const std::shared_ptr<LaneSet> set_;
  Lane& lane_;
};

// A thread's memory of its lanes in the mailboxes it posts to. Trivially destructible, so that it
// may be read at any time in the thread's life.
class PostingThread {
 public:
  // The place where each thread remembers its lane in a set. The mailbox stores it, so that a post
  // need not compute it. The conversion is implicit: a place says the same as the id.
  class Place {
   public:
    Place(std::uint64_t set_id) noexcept
        : set_id_(set_id),
          offset_(static_cast<std::size_t>(set_id % kCacheLines) * sizeof(CacheLine)) {}

   private:
    friend class PostingThread;
    std::uint64_t set_id_;
    std::size_t offset_;  // in bytes
  };

  // Returns the calling thread's lane in a set, or null if it has none yet or cannot keep one.
  static Lane* cached_lane(const Place& place) noexcept {
    const CacheLine& line = per_thread<PostingThread>().line_at(place);
    return line.set_id == place.set_id_ ? line.lane : nullptr;
  }
  // Like cached_lane(), but looks further and takes a lane if needed. Null only while the thread is
  // being destroyed: borrow a lane then.
  ZMQLOOP_EXPORT static Lane* find_or_acquire_lane(LaneSet& set);

  // The object that per_thread() returns.
  ZMQLOOP_EXPORT static ZMQLOOP_THREAD_LOCAL PostingThread of_this_thread;

 private:
  friend class OwnedLanes;

  struct CacheLine {  // zeros: empty
    std::uint64_t set_id;
    Lane* lane;
  };
  static constexpr std::size_t kCacheLines = 64;

  CacheLine& line_at(const Place& place) noexcept {
    return *reinterpret_cast<CacheLine*>(reinterpret_cast<char*>(cache_) + place.offset_);
  }

  CacheLine cache_[kCacheLines] = {};
  bool ended_ = false;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_MAILBOX_LANE_SET_H_
