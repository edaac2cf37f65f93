#include "zmqloop/runtime/timer_queue.h"

namespace zmqloop {

// Gives a cell back when the use of it ends, also by an exception.
class TimerQueue::CellUse {
 public:
  CellUse(TimerQueue& queue, std::uint32_t index) : queue_(queue), index_(index) {}
  CellUse(const CellUse&) = delete;
  CellUse& operator=(const CellUse&) = delete;
  ~CellUse() { queue_.release_cell(index_); }

 private:
  TimerQueue& queue_;
  const std::uint32_t index_;
};

bool TimerQueue::cancel(TimerId id) noexcept {
  if (!id || id.index >= records_.size() || records_[id.index].generation != id.generation) {
    return false;
  }
  disarm(id.index);
  destroy(id.index);
  return true;
}

std::optional<TimePoint> TimerQueue::next_deadline() const noexcept {
  if (due_live_ != 0) return TimePoint::min();
  if (heap_.empty() || heap_.earliest() == TimePoint::max()) return std::nullopt;
  return heap_.earliest();
}

std::size_t TimerQueue::begin_due(TimePoint now) {
  if (due_next_ != 0) compact_due();
  const std::size_t before = due_live_;
  while (!heap_.empty() && heap_.earliest() <= now && heap_.earliest() != TimePoint::max()) {
    const std::uint32_t index = heap_.first();
    due_.push_back(index);
    heap_.pop(records_.data());
    records_[index].position = kDueBit | static_cast<std::uint32_t>(due_.size() - 1);
    ++due_live_;
  }
  return due_live_ - before;
}

bool TimerQueue::run_next_due() {
  const std::uint32_t index = take_due();
  if (index == kNone) return false;
  const CellUse use(*this, index);
  TimerCell& cell = cells_[index];
  last_run_ = cell.ops;
  cell.ops(cell.storage, one_shot::Action::kRun);
  return true;
}

const std::type_info* TimerQueue::next_due_type() noexcept {
  const std::uint32_t index = first_due();
  return index == kNone ? nullptr : cells_[index].ops(nullptr, one_shot::Action::kType);
}

const std::type_info* TimerQueue::running_type() const {
  return last_run_ == nullptr ? nullptr : last_run_(nullptr, one_shot::Action::kType);
}

std::size_t TimerQueue::clear() noexcept {
  std::size_t destroyed = 0;
  for (;; ++destroyed) {
    std::uint32_t index = take_due();
    if (index == kNone) {
      if (heap_.empty()) return destroyed;
      index = heap_.last();
      disarm(index);
    }
    destroy(index);
  }
}

// Returns a cell, with its record's generation zero and room for it in the heap [Q2].
std::uint32_t TimerQueue::take_cell() {
  std::uint32_t index = first_free_;
  if (index != kNone) {
    first_free_ = records_[index].position;
  } else {
    const std::size_t count = records_.size() + 1;
    cells_.reserve(count);
    heap_.reserve(count);
    index = static_cast<std::uint32_t>(records_.size());
    records_.push_back({});
  }
  ++cells_in_use_;
  return index;
}

TimerId TimerQueue::arm(std::uint32_t index, TimePoint deadline) noexcept {
  if (++last_generation_ == 0) ++last_generation_;
  records_[index].generation = last_generation_;
  heap_.push(index, deadline, records_.data());
  return {index, last_generation_};
}

void TimerQueue::disarm(std::uint32_t index) noexcept {
  TimerHeap::Record& record = records_[index];
  record.generation = 0;
  if ((record.position & kDueBit) == 0) {
    heap_.remove(record.position, records_.data());
  } else {
    due_[record.position & ~kDueBit] = kNone;
    --due_live_;
  }
}

void TimerQueue::destroy(std::uint32_t index) noexcept {
  const CellUse use(*this, index);
  TimerCell& cell = cells_[index];
  cell.ops(cell.storage, one_shot::Action::kDestroy);
}

void TimerQueue::release_cell(std::uint32_t index) noexcept {
  if (--cells_in_use_ == 0) {
    give_memory_back();
  } else {
    records_[index].position = first_free_;
    first_free_ = index;
  }
}

// With no cell in use: starts afresh, from the first cell.
void TimerQueue::give_memory_back() noexcept {
  records_.clear();
  due_.clear();
  due_next_ = 0;
  first_free_ = kNone;
  if (cells_.capacity() <= kKept) return;
  cells_.shrink(kKept);
  heap_.shrink_empty(kKept);
  records_ = {};
  due_ = {};
}

// Returns the next due timer; kNone if there is none.
std::uint32_t TimerQueue::first_due() noexcept {
  if (due_live_ == 0) return kNone;
  while (due_[due_next_] == kNone) ++due_next_;
  return due_[due_next_];
}

// Takes the next due timer out of the snapshot; kNone if there is none.
std::uint32_t TimerQueue::take_due() noexcept {
  const std::uint32_t index = first_due();
  if (index == kNone) return kNone;
  ++due_next_;
  records_[index].generation = 0;
  --due_live_;
  return index;
}

// Moves what is left of the snapshot to its front, so that one that never becomes empty does not
// grow.
void TimerQueue::compact_due() noexcept {
  std::size_t kept = 0;
  for (; due_next_ < due_.size(); ++due_next_) {
    const std::uint32_t index = due_[due_next_];
    if (index == kNone) continue;
    records_[index].position = kDueBit | static_cast<std::uint32_t>(kept);
    due_[kept++] = index;
  }
  due_.resize(kept);
  due_next_ = 0;
}

}  // namespace zmqloop
