// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/timers/timer_queue.h"

namespace zmqloop {

// Gives a cell back when its use ends, also by an exception.
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
  if (!id || id.index >= records_.size() ||
      static_cast<std::uint32_t>(records_[id.index].number) != id.generation) {
    return false;
  }
  disarm(id.index);
  destroy(id.index);
  return true;
}

std::optional<TimePoint> TimerQueue::next_deadline() const noexcept {
  if (due_live_ != 0) return kAtOnce;
  if (!heap_.empty()) return heap_.earliest();
  if (!wheel_.empty()) return wheel_.earliest(records_.data());
  return std::nullopt;
}

std::size_t TimerQueue::begin_due(TimePoint now) {
  if (due_next_ != 0) compact_due();
  const std::size_t before = due_live_;
  move_due(now);
  // Slot by slot, so that the heap never holds the timers of more than one.
  while (!wheel_.empty() && wheel_.next_turn() <= now) {
    wheel_.turn(records_.data(),
                [this](std::uint32_t index) { heap_.push(index, records_.data()); });
    move_due(now);
  }
  wheel_.advance(now);
  return due_live_ - before;
}

void TimerQueue::move_due(TimePoint now) {
  while (!heap_.empty() && heap_.earliest() <= now) {
    const std::uint32_t index = heap_.first();
    due_.push_back(index);
    heap_.pop(records_.data());
    records_[index].place = Place::kDue;
    records_[index].position = static_cast<std::uint32_t>(due_.size() - 1);
    --armed_;
    ++due_live_;
  }
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
  for (; !empty(); ++destroyed) {
    std::uint32_t index = take_due();
    if (index == kNone) {
      index = heap_.empty() ? wheel_.any() : heap_.last();
      disarm(index);
    }
    destroy(index);
  }
  trim();
  return destroyed;
}

void TimerQueue::trim() noexcept {
  if (cells_in_use_ != 0 || cells_.capacity() <= kKept) return;
  cells_.shrink(kKept);
  heap_.release();
  wheel_.close();
  records_ = {};
  due_ = {};
}

// Returns a cell, with its record's number zero and room for it in the heap [Q2].
std::uint32_t TimerQueue::take_cell() {
  std::uint32_t index = first_free_;
  if (index != kNone) {
    first_free_ = records_[index].position;
  } else {
    const std::size_t count = records_.size() + 1;
    cells_.reserve(count);
    heap_.reserve(count);
    wheel_.open();
    index = static_cast<std::uint32_t>(records_.size());
    records_.push_back({});
  }
  ++cells_in_use_;
  return index;
}

TimerId TimerQueue::arm(std::uint32_t index, TimePoint deadline, TimePoint now) noexcept {
  if (wheel_.empty()) wheel_.advance(now);
  if (static_cast<std::uint32_t>(++last_number_) == 0) ++last_number_;
  TimerRecord& record = records_[index];
  record.deadline = deadline;
  record.number = last_number_;
  ++armed_;
  if (wheel_.takes(deadline)) {
    wheel_.add(index, records_.data());
  } else {
    heap_.push(index, records_.data());
  }
  return {index, static_cast<std::uint32_t>(last_number_)};
}

void TimerQueue::disarm(std::uint32_t index) noexcept {
  TimerRecord& record = records_[index];
  record.number = 0;
  if (record.place == Place::kDue) {
    due_[record.position] = kNone;
    --due_live_;
    return;
  }
  --armed_;
  if (record.place == Place::kWheel) {
    wheel_.remove(index, records_.data());
  } else {
    heap_.remove(record.position, records_.data());
  }
}

void TimerQueue::destroy(std::uint32_t index) noexcept {
  const CellUse use(*this, index);
  TimerCell& cell = cells_[index];
  cell.ops(cell.storage, one_shot::Action::kDestroy);
}

void TimerQueue::release_cell(std::uint32_t index) noexcept {
  if (--cells_in_use_ != 0) {
    records_[index].position = first_free_;
    first_free_ = index;
    return;
  }
  // No cell is in use: start afresh, from the first one.
  records_.clear();
  due_.clear();
  due_next_ = 0;
  first_free_ = kNone;
}

// Returns the next due timer; kNone if there is none.
std::uint32_t TimerQueue::first_due() noexcept {
  if (due_live_ == 0) return kNone;
  while (due_[due_next_] == kNone) ++due_next_;
  return due_[due_next_];
}

void TimerQueue::prefetch(std::uint32_t index) noexcept {
  if (index == kNone) return;
  __builtin_prefetch(&cells_[index]);
  __builtin_prefetch(&records_[index]);
}

// Takes the next due timer out of the snapshot; kNone if there is none.
std::uint32_t TimerQueue::take_due() noexcept {
  const std::uint32_t index = first_due();
  if (index == kNone) return kNone;
  ++due_next_;
  // Callables stand in memory in the order of arming, but run in the order of deadlines.
  constexpr std::size_t kAhead = 8;
  if (due_next_ + kAhead < due_.size()) prefetch(due_[due_next_ + kAhead]);
  records_[index].number = 0;
  --due_live_;
  return index;
}

// Moves the rest of the snapshot to its front, so that a snapshot that never becomes empty does not
// grow.
void TimerQueue::compact_due() noexcept {
  std::size_t kept = 0;
  for (; due_next_ < due_.size(); ++due_next_) {
    const std::uint32_t index = due_[due_next_];
    if (index == kNone) continue;
    records_[index].position = static_cast<std::uint32_t>(kept);
    due_[kept++] = index;
  }
  due_.resize(kept);
  due_next_ = 0;
}

}  // namespace zmqloop
