// A 4-ary min-heap of timers by deadline, first come first served among equals, that knows where
// each timer stands, so that any of them can be taken out in place.
//
// An entry is 16 bytes and the four children of an entry share one cache line: a step down costs
// one cache miss. Entries are moved along a hole, never swapped.
//
// Invariants:
//   H1  No entry is less than its parent, by (deadline, number).
//   H2  positions[entry.index()].position is where the entry stands.
//   H3  Numbers grow from push to push while the heap is not empty.
//
// Threads: none of its own; one thread at a time.
// Owns: its array; the positions are the caller's.
// Errors: reserve() throws std::bad_alloc, with nothing changed; nothing else throws.
// Internal.

#ifndef ZMQLOOP_RUNTIME_TIMER_HEAP_H_
#define ZMQLOOP_RUNTIME_TIMER_HEAP_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "zmqloop/poller/clock.h"

namespace zmqloop {

class TimerHeap {
 public:
  // What the heap's user keeps for each timer, in an array by timer index.
  struct Record {
    std::uint32_t generation;  // not the heap's
    std::uint32_t position;    // in the heap, while the timer is in it
  };

  // Numbers entries from `first_number` when it starts and whenever it has become empty.
  explicit TimerHeap(std::uint32_t first_number = 0)
      : first_number_(first_number), next_number_(first_number) {}
  TimerHeap(const TimerHeap&) = delete;
  TimerHeap& operator=(const TimerHeap&) = delete;

  bool empty() const noexcept { return end_ == kRoot; }
  std::size_t size() const noexcept { return end_ - kRoot; }
  std::size_t capacity() const noexcept { return capacity_; }

  // Returns the earliest deadline; the heap must not be empty.
  TimePoint earliest() const noexcept { return entries_[kRoot].deadline(); }
  // Returns the index of a timer with the earliest deadline, the first pushed of them.
  std::uint32_t first() const noexcept { return entries_[kRoot].index(); }
  // Returns the index of the timer that is cheapest to remove.
  std::uint32_t last() const noexcept { return entries_[end_ - 1].index(); }

  // Makes room for `count` entries in all.
  void reserve(std::size_t count);
  // Frees the array, if it has room for more than `count` entries; the heap must be empty.
  void shrink_empty(std::size_t count) noexcept;

  // Adds a timer; there must be room.
  void push(std::uint32_t index, TimePoint deadline, Record* records) noexcept;
  // Removes the timer that first() names.
  void pop(Record* records) noexcept;
  // Removes the timer at `position`.
  void remove(std::uint32_t position, Record* records) noexcept;

 private:
  // Ordered by deadline, then number; the index only fills the word up.
  class Entry {
   public:
    Entry() = default;
    Entry(TimePoint deadline, std::uint32_t number, std::uint32_t index)
        : deadline_(deadline.time_since_epoch().count()),
          number_and_index_((std::uint64_t{number} << 32) | index) {}

    TimePoint deadline() const noexcept { return TimePoint(Duration(deadline_)); }
    std::uint32_t index() const noexcept { return static_cast<std::uint32_t>(number_and_index_); }
    // Without a branch, which nobody could predict.
    bool operator<(const Entry& other) const noexcept { return key() < other.key(); }

   private:
    __int128 key() const noexcept {
      return static_cast<__int128>(deadline_) * (__int128{1} << 64) + number_and_index_;
    }

    std::int64_t deadline_;
    std::uint64_t number_and_index_;
  };
  static_assert(sizeof(Entry) == 16);

  // The root stands at 3, so that children start at multiples of 4, on a cache line of their own.
  static constexpr std::size_t kRoot = 3;
  static constexpr std::size_t kLine = 64;
  static std::size_t parent_of(std::size_t position) { return position / 4 + 2; }
  static std::size_t children_of(std::size_t position) { return (position - 2) * 4; }

  struct Free {
    void operator()(Entry* entries) const noexcept;
  };
  using Entries = std::unique_ptr<Entry[], Free>;

  void place(std::size_t position, const Entry& entry, Record* records) noexcept {
    entries_[position] = entry;
    records[entry.index()].position = static_cast<std::uint32_t>(position);
  }
  std::size_t least_child(std::size_t first) const noexcept;
  void sift_up(std::size_t hole, const Entry& entry, Record* records) noexcept;
  void sift_down(std::size_t hole, const Entry& entry, Record* records) noexcept;
  void renumber(Record* records) noexcept;

  const std::uint32_t first_number_;
  std::uint32_t next_number_;
  std::size_t end_ = kRoot;
  std::size_t capacity_ = 0;
  Entries entries_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_TIMER_HEAP_H_
