// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/registration_table.h"

#include <algorithm>

#include "zmqloop/poller/poller_interface.h"

namespace zmqloop {
namespace {

// Takes `key` out of `index` if it still leads to `slot`.
template <class Key>
void forget(HashIndex<Key, std::uint32_t>& index, Key key, std::uint32_t slot) noexcept {
  const std::uint32_t* const found = index.find(key);
  if (found != nullptr && *found == slot) index.erase(key);
}

template <class Vector>
void reserve_one_more(Vector& vector, std::size_t wanted) {
  if (vector.capacity() < wanted) vector.reserve(std::max(wanted, 2 * vector.capacity()));
}

}  // namespace

void RegistrationTable::reserve_one() {
  reserve_one_more(slots_, slots_.size() + 1);
  reserve_one_more(free_, slots_.size() + 1);  // erase() must not allocate
  by_descriptor_.reserve_one();
  by_socket_.reserve_one();
}

RegistrationId RegistrationTable::next_id() const noexcept {
  if (free_.empty()) return {static_cast<std::uint32_t>(slots_.size()), 0};
  return {free_.back(), slots_[free_.back()].generation};
}

RegistrationId RegistrationTable::insert(const Pollable& pollable, int fd, Events interest,
                                         std::uint32_t kernel_events,
                                         std::uint64_t token) noexcept {
  const RegistrationId id = next_id();
  if (free_.empty()) {
    slots_.emplace_back();
  } else {
    free_.pop_back();
  }
  slots_[id.slot] = {.pollable = pollable,
                     .interest = interest,
                     .kernel_events = kernel_events,
                     .token = token,
                     .fd = fd,
                     .generation = id.generation,
                     .live = true};
  by_descriptor_.set(fd, id.slot);
  if (pollable.is_socket()) by_socket_.set(pollable.socket().handle(), id.slot);
  ++size_;
  if (pollable.is_socket()) ++sockets_;
  if (token != kInternalToken) ++external_;
  return id;
}

void RegistrationTable::erase(RegistrationId id) noexcept {
  Registration* const gone = get(id);
  if (gone == nullptr) return;
  forget(by_descriptor_, gone->fd, id.slot);
  if (gone->pollable.is_socket()) forget(by_socket_, gone->pollable.socket().handle(), id.slot);
  --size_;
  if (gone->pollable.is_socket()) --sockets_;
  if (gone->token != kInternalToken) --external_;
  gone->live = false;
  ++gone->generation;
  free_.push_back(id.slot);
}

void RegistrationTable::clear() noexcept {
  for_each([this](Registration& each) { erase(id_of(each)); });
}

Registration* RegistrationTable::find(const Pollable& pollable) noexcept {
  if (pollable.is_socket()) {
    const std::uint32_t* const slot = by_socket_.find(pollable.socket().handle());
    return slot == nullptr ? nullptr : &slots_[*slot];
  }
  Registration* const holder = find_descriptor(pollable.fd());
  return holder != nullptr && !holder->pollable.is_socket() ? holder : nullptr;
}

Registration* RegistrationTable::find_descriptor(int fd) noexcept {
  const std::uint32_t* const slot = by_descriptor_.find(fd);
  return slot == nullptr ? nullptr : &slots_[*slot];
}

}  // namespace zmqloop
