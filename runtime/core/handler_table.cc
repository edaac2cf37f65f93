// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/core/handler_table.h"

#include <utility>

namespace zmqloop {
namespace {

constexpr int kGenerationShift = 32;

std::uint64_t make_token(std::uint32_t place, std::uint32_t generation) {
  return (std::uint64_t{generation} << kGenerationShift) | place;
}

}  // namespace

std::uint64_t HandlerTable::prepare_add() {
  by_pollable_.reserve_one();
  if (free_.empty()) {
    free_.reserve(places_.size() + 1);  // so that remove() cannot fail
    places_.emplace_back();
    free_.push_back(static_cast<std::uint32_t>(places_.size() - 1));
  }
  return make_token(free_.back(), places_[free_.back()].generation);
}

void HandlerTable::add(std::unique_ptr<Entry> entry) {
  const std::uint32_t place = free_.back();
  free_.pop_back();
  const Pollable pollable = entry->pollable;
  places_[place].entry = std::move(entry);
  std::uint32_t* const known = by_pollable_.find(pollable);
  if (known == nullptr) return by_pollable_.set(pollable, place);
  const std::uint32_t replaced = std::exchange(*known, place);
  retire(places_[replaced], replaced);
}

bool HandlerTable::remove(const Pollable& pollable) {
  const std::uint32_t* const found = by_pollable_.find(pollable);
  if (found == nullptr) return false;
  const std::uint32_t place = *found;
  by_pollable_.erase(pollable);
  retire(places_[place], place);
  return true;
}

void HandlerTable::retire(Place& place, std::uint32_t index) {
  ++place.generation;
  free_.push_back(index);
  std::unique_ptr<Entry> entry = std::move(place.entry);  // destroyed last: it may call us back
  if (entry.get() == running_) removed_while_running_ = std::move(entry);
}

HandlerTable::Entry* HandlerTable::find(const Pollable& pollable) {
  const std::uint32_t* const found = by_pollable_.find(pollable);
  return found == nullptr ? nullptr : places_[*found].entry.get();
}

HandlerTable::Entry* HandlerTable::find(std::uint64_t token) noexcept {
  const auto index = static_cast<std::uint32_t>(token);
  if (index >= places_.size()) return nullptr;
  const Place& place = places_[index];
  return place.generation == token >> kGenerationShift ? place.entry.get() : nullptr;
}

void HandlerTable::call(Entry& entry, Pollable pollable, Events events) {
  struct Running {
    HandlerTable& table;
    ~Running() {
      table.running_ = nullptr;
      const std::unique_ptr<Entry> removed = std::move(table.removed_while_running_);
    }
  } running{*this};
  running_ = &entry;
  called_type_ = entry.type;
  called_token_ = entry.token;
  entry.handler(pollable, events);
}

}  // namespace zmqloop
