// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/timers/timer_heap.h"

#include <algorithm>
#include <utility>

namespace zmqloop {

// Branch-free, because no CPU could predict the branch. If the compiler has 128-bit integers, we
// compare both words as one number, which takes one subtraction of each half.
inline bool TimerHeap::Entry::operator<(const Entry& other) const noexcept {
#ifdef __SIZEOF_INT128__
  __extension__ using Key = __int128;
  const auto key = [](const Entry& entry) {
    return static_cast<Key>(entry.deadline) * (Key{1} << 64) + entry.number;
  };
  return key(*this) < key(other);
#else
  const bool is_earlier = deadline < other.deadline;
  return is_earlier | ((deadline == other.deadline) & (number < other.number));
#endif
}

void TimerHeap::reserve(std::size_t count) {
  if (count <= capacity_) return;
  const std::size_t wanted = std::max(count, 2 * capacity_);
  // Untouched: an entry is written when it is used.
  std::unique_ptr<Entry[]> grown(new Entry[wanted]);
  std::copy_n(entries_.get(), size_, grown.get());
  entries_ = std::move(grown);
  capacity_ = wanted;
}

void TimerHeap::release() noexcept {
  entries_.reset();
  capacity_ = 0;
}

void TimerHeap::push(std::uint32_t index, TimerRecord* records) noexcept {
  TimerRecord& added = records[index];
  added.place = TimerRecord::Place::kHeap;
  const Entry entry{added.deadline.time_since_epoch().count(), added.number, index};
  sift_up(size_++, entry, records);
}

// The last entry belongs near the bottom again. So we move the hole all the way down, and the entry
// back up from there, which saves a comparison on each level.
void TimerHeap::pop(TimerRecord* records) noexcept {
  const Entry moved = entries_[--size_];
  if (empty()) return;
  std::size_t hole = 0;
  for (std::size_t child = least_child(children_of(hole)); child < size_;
       child = least_child(children_of(hole))) {
    place(hole, entries_[child], records);
    hole = child;
  }
  sift_up(hole, moved, records);
}

void TimerHeap::remove(std::uint32_t position, TimerRecord* records) noexcept {
  const std::size_t hole = position;
  const Entry moved = entries_[--size_];
  if (hole == size_) return;
  if (hole > 0 && moved < entries_[parent_of(hole)]) {
    sift_up(hole, moved, records);
  } else {
    sift_down(hole, moved, records);
  }
}

// Returns the least of up to four siblings; size_ or above if there are none.
std::size_t TimerHeap::least_child(std::size_t first) const noexcept {
  if (first + 4 <= size_) [[likely]] {
    const std::size_t left = first + (entries_[first + 1] < entries_[first] ? 1 : 0);
    const std::size_t right = first + (entries_[first + 3] < entries_[first + 2] ? 3 : 2);
    return entries_[right] < entries_[left] ? right : left;
  }
  std::size_t least = first;
  for (std::size_t child = first + 1; child < size_; ++child) {
    if (entries_[child] < entries_[least]) least = child;
  }
  return least;
}

void TimerHeap::sift_up(std::size_t hole, const Entry& entry, TimerRecord* records) noexcept {
  while (hole > 0) {
    const std::size_t parent = parent_of(hole);
    if (!(entry < entries_[parent])) break;
    place(hole, entries_[parent], records);
    hole = parent;
  }
  place(hole, entry, records);
}

void TimerHeap::sift_down(std::size_t hole, const Entry& entry, TimerRecord* records) noexcept {
  for (std::size_t child = least_child(children_of(hole)); child < size_ && entries_[child] < entry;
       child = least_child(children_of(hole))) {
    place(hole, entries_[child], records);
    hole = child;
  }
  place(hole, entry, records);
}

}  // namespace zmqloop
