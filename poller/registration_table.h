// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The registrations of a poller: found by slot in one step, by pollable or descriptor with one
// hash.
//
// A slot is reused, its generation is not. So an id that has outlived its registration finds
// nothing. That is how we recognise the kernel's late reports about removed registrations.
//
// Threads: one at a time.
// Owns: its entries.
// Errors: reserve_one() throws std::bad_alloc; nothing else throws.
// Internal.

#ifndef ZMQLOOP_POLLER_REGISTRATION_TABLE_H_
#define ZMQLOOP_POLLER_REGISTRATION_TABLE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "zmqloop/poller/events.h"
#include "zmqloop/poller/hash_index.h"
#include "zmqloop/poller/pollable.h"

namespace zmqloop {

// Names a registration for as long as it lives; fits into epoll_data.
struct RegistrationId {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;

  std::uint64_t packed() const noexcept {
    return (static_cast<std::uint64_t>(generation) << 32) | slot;
  }
  static RegistrationId unpack(std::uint64_t bits) noexcept {
    return {static_cast<std::uint32_t>(bits), static_cast<std::uint32_t>(bits >> 32)};
  }
  bool operator==(const RegistrationId&) const = default;
};

struct Registration {
  Pollable pollable = -1;
  Events interest = Events::kNone;
  std::uint32_t kernel_events = 0;  // as passed to the epoll set
  std::uint64_t token = 0;
  int fd = -1;  // in the epoll set: the descriptor, or the socket's ZMQ_FD
  std::uint32_t generation = 0;
  bool live = false;
  bool paused = false;  // its readiness is not reported

  // For the epoll poller.
  bool in_check = false;    // it is on the list of sockets to look at
  bool alternates = false;  // REQ or REP: may become ready without a signal
  bool can_flip = false;    // it may do so now, and is on the list of flippers
  std::uint32_t reported_in = 0;  // number of the look that last reported it
  std::uint64_t vouched_at = 0;   // cycles() when the kernel last called it ours
};

class RegistrationTable {
 public:
  // Makes room, so that the next insert() cannot fail.
  void reserve_one();

  // Returns the id that the next insert() will use.
  RegistrationId next_id() const noexcept;

  // Inserts, after reserve_one(). An older registration of the same pollable or descriptor stays,
  // but from now on only its id finds it.
  RegistrationId insert(const Pollable& pollable, int fd, Events interest,
                        std::uint32_t kernel_events, std::uint64_t token) noexcept;

  void erase(RegistrationId id) noexcept;
  void clear() noexcept;

  // Return null if there is none. Pointers are valid until the next reserve_one().
  Registration* get(RegistrationId id) noexcept {
    if (id.slot >= slots_.size()) return nullptr;
    Registration& found = slots_[id.slot];
    return found.generation == id.generation && found.live ? &found : nullptr;
  }
  Registration* find(const Pollable& pollable) noexcept;
  Registration* find_descriptor(int fd) noexcept;

  RegistrationId id_of(const Registration& registration) const noexcept {
    return {static_cast<std::uint32_t>(&registration - slots_.data()), registration.generation};
  }

  // Calls f(Registration&) for each registration. f may erase but not insert.
  template <class F>
  void for_each(F&& f) {
    for (Registration& slot : slots_) {
      if (slot.live) f(slot);
    }
  }

  // Calls f(Registration&) for the registrations in the next `count` places, starting where the
  // last call ended. f may erase but not insert.
  template <class F>
  void for_some(std::size_t count, F&& f) {
    for (std::size_t i = 0; i < std::min(count, slots_.size()); ++i) {
      turn_ = turn_ + 1 < slots_.size() ? turn_ + 1 : 0;
      if (slots_[turn_].live) f(slots_[turn_]);
    }
  }

  std::size_t size() const noexcept { return size_; }
  std::size_t sockets() const noexcept { return sockets_; }
  // Returns the number of places, empty ones included.
  std::size_t places() const noexcept { return slots_.size(); }

  // Returns the number of registrations that are not an event loop's own doorbells.
  std::size_t external() const noexcept { return external_; }

 private:
  std::vector<Registration> slots_;
  std::vector<std::uint32_t> free_;  // slots below slots_.size() that are not live
  HashIndex<int, std::uint32_t> by_descriptor_;
  HashIndex<void*, std::uint32_t> by_socket_;
  std::size_t size_ = 0;
  std::size_t sockets_ = 0;
  std::size_t external_ = 0;
  std::size_t turn_ = 0;  // where for_some() stopped
};

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_REGISTRATION_TABLE_H_
