#include "zmqloop/runtime/timer_heap.h"

#include <algorithm>
#include <limits>
#include <new>
#include <utility>

namespace zmqloop {

void TimerHeap::Free::operator()(Entry* entries) const noexcept {
  ::operator delete (static_cast<void*>(entries), std::align_val_t{kLine});
}

void TimerHeap::reserve(std::size_t count) {
  if (count <= capacity_) return;
  const std::size_t wanted = std::max(count, 2 * capacity_ + 1);
  void* memory = ::operator new ((kRoot + wanted) * sizeof(Entry), std::align_val_t{kLine});
  Entries grown(static_cast<Entry*>(memory));
  if (!empty()) std::uninitialized_copy(&entries_[kRoot], &entries_[end_], &grown[kRoot]);
  entries_ = std::move(grown);
  capacity_ = wanted;
}

void TimerHeap::shrink_empty(std::size_t count) noexcept {
  if (capacity_ <= count) return;
  entries_.reset();
  capacity_ = 0;
}

void TimerHeap::push(std::uint32_t index, TimePoint deadline, Record* records) noexcept {
  if (empty()) {
    next_number_ = first_number_;
  } else if (next_number_ == std::numeric_limits<std::uint32_t>::max()) [[unlikely]] {
    renumber(records);
  }
  const Entry entry(deadline, next_number_++, index);
  sift_up(end_++, entry, records);
}

// The last entry belongs near the bottom again: the hole is led all the way down, and the entry
// back up from there, which saves a comparison on each level.
void TimerHeap::pop(Record* records) noexcept {
  const Entry moved = entries_[--end_];
  if (empty()) return;
  std::size_t hole = kRoot;
  for (std::size_t child = least_child(children_of(hole)); child < end_;
       child = least_child(children_of(hole))) {
    place(hole, entries_[child], records);
    hole = child;
  }
  sift_up(hole, moved, records);
}

void TimerHeap::remove(std::uint32_t position, Record* records) noexcept {
  const std::size_t hole = position;
  const Entry moved = entries_[--end_];
  if (hole == end_) return;
  if (hole > kRoot && moved < entries_[parent_of(hole)]) {
    sift_up(hole, moved, records);
  } else {
    sift_down(hole, moved, records);
  }
}

// Returns the least of up to four siblings; end_ or above if there are none.
std::size_t TimerHeap::least_child(std::size_t first) const noexcept {
  if (first + 4 <= end_) [[likely]] {
    const std::size_t left = first + (entries_[first + 1] < entries_[first] ? 1 : 0);
    const std::size_t right = first + (entries_[first + 3] < entries_[first + 2] ? 3 : 2);
    return entries_[right] < entries_[left] ? right : left;
  }
  std::size_t least = first;
  for (std::size_t child = first + 1; child < end_; ++child) {
    if (entries_[child] < entries_[least]) least = child;
  }
  return least;
}

void TimerHeap::sift_up(std::size_t hole, const Entry& entry, Record* records) noexcept {
  while (hole > kRoot) {
    const std::size_t parent = parent_of(hole);
    if (!(entry < entries_[parent])) break;
    place(hole, entries_[parent], records);
    hole = parent;
  }
  place(hole, entry, records);
}

void TimerHeap::sift_down(std::size_t hole, const Entry& entry, Record* records) noexcept {
  for (std::size_t child = least_child(children_of(hole)); child < end_ && entries_[child] < entry;
       child = least_child(children_of(hole))) {
    place(hole, entries_[child], records);
    hole = child;
  }
  place(hole, entry, records);
}

// After four billion pushes without being empty once: numbers the entries afresh, in order [H3]. A
// sorted array is a heap.
void TimerHeap::renumber(Record* records) noexcept {
  std::sort(&entries_[kRoot], &entries_[end_]);
  next_number_ = 0;
  for (std::size_t position = kRoot; position < end_; ++position) {
    const Entry old = entries_[position];
    place(position, Entry(old.deadline(), next_number_++, old.index()), records);
  }
}

}  // namespace zmqloop
