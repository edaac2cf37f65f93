// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/timers/timer_wheel.h"

#include <utility>

namespace zmqloop {

using Place = TimerRecord::Place;
constexpr std::uint32_t kNone = TimerRecord::kNone;

void TimerWheel::add(std::uint32_t index, TimerRecord* records) noexcept {
  TimerRecord& added = records[index];
  const std::uint32_t slot = slot_of(added.deadline);
  const std::uint32_t level = slot / kSlotsPerLevel;
  const std::uint64_t bit = std::uint64_t{1} << slot % kSlotsPerLevel;
  if ((occupied_[level] & bit) == 0) (*slots_)[slot].fill(kNone);
  std::uint32_t& list = list_of(index, slot);
  const std::uint32_t head = std::exchange(list, index);
  if (head != kNone) records[head].previous = index;
  added.place = Place::kWheel;
  added.position = slot;
  added.next = head;
  added.previous = kNone;
  occupied_[level] |= bit;
  levels_ |= 1u << level;
}

void TimerWheel::remove(std::uint32_t index, TimerRecord* records) noexcept {
  const TimerRecord& gone = records[index];
  if (gone.next != kNone) records[gone.next].previous = gone.previous;
  if (gone.previous != kNone) {
    records[gone.previous].next = gone.next;
    return;
  }
  list_of(index, gone.position) = gone.next;
  if (gone.next == kNone && is_empty(gone.position)) vacate(gone.position);
}

std::uint32_t TimerWheel::any() const noexcept {
  const Lists& lists = (*slots_)[first_slot()];
  return *std::find_if(lists.begin(), lists.end(),
                       [](std::uint32_t first) { return first != kNone; });
}

bool TimerWheel::is_empty(std::uint32_t slot) const noexcept {
  const Lists& lists = (*slots_)[slot];
  return std::all_of(lists.begin(), lists.end(),
                     [](std::uint32_t first) { return first == kNone; });
}

TimePoint TimerWheel::earliest(const TimerRecord* records) const noexcept {
  TimePoint earliest = TimePoint::max();
  int seen = 0;
  for (std::uint32_t index : (*slots_)[first_slot()]) {
    for (; index != kNone; index = records[index].next) {
      if (++seen > kFew) return next_turn();
      earliest = std::min(earliest, records[index].deadline);
    }
  }
  return earliest;
}

// The deadline's tick must be later than the wheel's.
std::uint32_t TimerWheel::slot_of(TimePoint deadline) const noexcept {
  if (deadline == TimePoint::max()) return kEndOfTime;
  const Tick tick = tick_of(deadline);
  const auto differing = static_cast<std::uint64_t>(tick ^ tick_);
  const int level = (63 - std::countl_zero(differing)) / kDigitBits;
  const auto digit = static_cast<std::uint32_t>(tick >> (level * kDigitBits)) % kSlotsPerLevel;
  return static_cast<std::uint32_t>(level) * kSlotsPerLevel + digit;
}

// Returns the wheel's tick with the slot's digit at its place, and zeros after it.
TimerWheel::Tick TimerWheel::first_tick_of(std::uint32_t slot) const noexcept {
  const auto shift = static_cast<int>(slot / kSlotsPerLevel) * kDigitBits;
  const Tick before = tick_ >> (shift + kDigitBits) << kDigitBits;
  return (before | static_cast<Tick>(slot % kSlotsPerLevel)) << shift;
}

void TimerWheel::vacate(std::uint32_t slot) noexcept {
  const std::uint32_t level = slot / kSlotsPerLevel;
  occupied_[level] &= ~(std::uint64_t{1} << slot % kSlotsPerLevel);
  if (occupied_[level] == 0) levels_ &= ~(1u << level);
}

}  // namespace zmqloop
