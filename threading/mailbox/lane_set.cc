// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/mailbox/lane_set.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "zmqloop/threading/host/fork_guard.h"

namespace zmqloop {
namespace {

std::uint64_t next_set_id() {
  static constinit Atom<std::uint64_t> last{0};
  // relaxed: only uniqueness matters; no data depends on it.
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

// The lanes a thread owns, given back when the thread exits.
class OwnedLanes {
 public:
  OwnedLanes() = default;
  OwnedLanes(const OwnedLanes&) = delete;
  OwnedLanes& operator=(const OwnedLanes&) = delete;
  ~OwnedLanes() {
    PostingThread& thread = per_thread<PostingThread>();
    thread.ended_ = true;
    for (PostingThread::CacheLine& line : thread.cache_) line = {};
    for (auto& [id, owned] : lanes_) owned.set->release(*owned.lane);
  }

  Lane& find_or_acquire(LaneSet& set) {
    auto found = lanes_.find(set.id());
    if (found == lanes_.end()) {
      if (lanes_.size() >= forget_at_) forget_retired_sets();
      found = lanes_.try_emplace(set.id()).first;  // before acquire(), so no lane gets lost
      try {
        found->second = {set.shared_from_this(), &set.acquire()};
      } catch (...) {
        lanes_.erase(found);
        throw;
      }
    }
    Lane& lane = *found->second.lane;
    cache_line_of(set.id()) = {set.id(), &lane};
    return lane;
  }

 private:
  struct Owned {
    std::shared_ptr<LaneSet> set;
    Lane* lane = nullptr;
  };
  static constexpr std::size_t kForgetFirstAt = 16;

  static PostingThread::CacheLine& cache_line_of(std::uint64_t set_id) {
    return per_thread<PostingThread>().line_at(set_id);
  }

  // Drops sets whose mailbox is closed. Runs each time the number of sets may have doubled, so a
  // thread that keeps posting to new loops holds memory only for the living ones.
  void forget_retired_sets() {
    std::erase_if(lanes_, [](const auto& entry) {
      if (!entry.second.set->retired()) return false;
      PostingThread::CacheLine& line = cache_line_of(entry.first);
      if (line.set_id == entry.first) line = {};
      return true;
    });
    forget_at_ = std::max(kForgetFirstAt, lanes_.size() * 2);
  }

  // Not Abseil's map: it is left corrupt if an allocation fails while it grows.
  std::unordered_map<std::uint64_t, Owned> lanes_;
  std::size_t forget_at_ = kForgetFirstAt;
};

ZMQLOOP_THREAD_LOCAL PostingThread PostingThread::of_this_thread;

Lane* PostingThread::find_or_acquire_lane(LaneSet& set) {
  if (per_thread<PostingThread>().ended_) return nullptr;
  return &per_thread<OwnedLanes>().find_or_acquire(set);
}

LaneSet::LaneSet() : id_(next_set_id()), fork_generation_(fork_generation()) {}

LaneSet::~LaneSet() {
  Lane* lane = first();
  while (lane != nullptr) {
    delete std::exchange(lane, lane->next_listed);
  }
}

Lane& LaneSet::acquire() {
  const std::lock_guard lock(mutex_);
  if (!unowned_.empty()) {
    Lane& lane = *unowned_.back();
    unowned_.pop_back();
    return lane;
  }
  unowned_.reserve(size_ + 1);  // so that release() cannot fail
  auto lane = std::make_unique<Lane>();
  // relaxed: only changed under mutex_.
  lane->next_listed = first_.load(std::memory_order_relaxed);
  // release: publishes the constructed, linked lane; pairs with acquire in first() [S1] [S2].
  first_.store(lane.get(), std::memory_order_release);
  ++size_;
  return *lane.release();
}

void LaneSet::release(Lane& lane) {
  if (fork_generation_ != fork_generation()) return;
  const std::lock_guard lock(mutex_);
  unowned_.push_back(&lane);
}

std::size_t LaneSet::size() const {
  const std::lock_guard lock(mutex_);
  return size_;
}

}  // namespace zmqloop
