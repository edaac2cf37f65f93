// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/registrations.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <stdexcept>
#include <string>
#include <zmq.h>

#include "zmqloop/poller/descriptor_state.h"
#include "zmqloop/poller/poller_error.h"
#include "zmqloop/poller/zmq_socket_state.h"
#include "zmqloop/threading/host/cancellation_hold.h"

namespace zmqloop {
namespace {

// Returns the descriptor number of `pollable` in the epoll set.
int kernel_descriptor(const Pollable& pollable, const char* call) {
  if (!pollable.is_socket()) return pollable.fd();
  const SocketOption descriptor = read_socket_descriptor(pollable.socket().handle());
  if (descriptor.error == 0) return descriptor.value;
  throw_socket_failed(call, "zmq_getsockopt(ZMQ_FD)", pollable, descriptor.error);
}

// Returns the error to report for a pollable that was closed.
int error_of_end(const Pollable& gone) noexcept { return gone.is_socket() ? ENOTSOCK : EBADF; }

}  // namespace

Registrations::Registrations() : generation_(fork_generation()) {}

void Registrations::refuse(const char* call) const {
  if (fork_generation() != generation_) {
    throw std::logic_error(std::string(call) +
                           " in a forked child: this poller is the parent's, make a new one");
  }
  throw std::logic_error(std::string(call) + " after close");
}

RegistrationId Registrations::add(const Pollable& pollable, Events events, std::uint64_t token,
                                  std::uint32_t kernel_events, const char* call) {
  refresh();
  require_valid_pollable(call, pollable);
  require_known_events(call, pollable, events);
  const int fd = kernel_descriptor(pollable, call);
  // Everything that can fail comes before the first change.
  table_.reserve_one();
  reserve_ended();
  const Registration* const same = table_.find(pollable);
  const Registration* const holder = table_.find_descriptor(fd);
  const RegistrationId id = table_.next_id();
  int error = set_.add(fd, kernel_events, id.packed());
  // An entry that no registration owns is left over from a registration that was removed after its
  // descriptor was closed while a dup lived [R3]. The number names that file again, so we may take
  // over the entry.
  if (error == EEXIST && holder == nullptr) error = set_.change(fd, kernel_events, id.packed());
  if (error == EEXIST) throw_registered_twice(call, pollable, holder->pollable);
  if (error != 0) throw_call_failed(call, "epoll_ctl", pollable, error);
  // The kernel took it as new: older registrations in the table under this name are stale.
  std::optional<RegistrationId> stale_holder;
  std::optional<RegistrationId> stale_same;
  if (holder != nullptr) stale_holder = table_.id_of(*holder);
  if (same != nullptr && same != holder) stale_same = table_.id_of(*same);
  const RegistrationId inserted =
      table_.insert(pollable, fd, events | Events::kError, kernel_events, token);
  if (stale_holder) replace_stale(*stale_holder, pollable);
  if (stale_same) replace_stale(*stale_same, pollable);
  return inserted;
}

// Drops a registration whose descriptor names another file by now. If the same pollable takes its
// place, there is no report. If another one does, the old owner must hear of the end.
void Registrations::replace_stale(RegistrationId stale, const Pollable& by) {
  const Pollable& gone = table_.get(stale)->pollable;
  if (gone == by) {
    drop(stale);
  } else {
    end(stale, error_of_end(gone));
  }
}

Registration& Registrations::modify(const Pollable& pollable, Events events,
                                    std::uint32_t kernel_events, const char* call) {
  require_known_events(call, pollable, events);
  Registration& found = require(call, pollable);
  if (!pollable.is_socket() && !found.paused) {
    const int error = change_kernel_events(found, kernel_events);
    if (error == EBADF) end(table_.id_of(found), EBADF);
    if (error != 0) throw_call_failed(call, "epoll_ctl", pollable, error);
  }
  found.interest = events | Events::kError;
  return found;
}

// Turns a level-triggered entry into an edge-triggered one with no interest: the kernel reports
// errors unasked, but then only once.
Registration* Registrations::pause(const Pollable& pollable) noexcept {
  Registration* const found = table_.find(pollable);
  if (found == nullptr || found->paused) return found;
  found->paused = true;
  if ((found->kernel_events & EPOLLET) != 0) return found;
  return ended_unless_changed(*found, EPOLLET);
}

Registration* Registrations::resume(const Pollable& pollable,
                                    std::uint32_t kernel_events) noexcept {
  Registration* const found = table_.find(pollable);
  if (found == nullptr || !found->paused) return found;
  found->paused = false;
  if (found->kernel_events == kernel_events) return found;
  return ended_unless_changed(*found, kernel_events);
}

// Changes the kernel events. If that fails, the descriptor was closed: ends the registration and
// returns null. The kernel may go on to report the entry for a duplicate [R3].
Registration* Registrations::ended_unless_changed(Registration& found,
                                                  std::uint32_t kernel_events) noexcept {
  if (change_kernel_events(found, kernel_events) == 0) return &found;
  end(table_.id_of(found), error_of_end(found.pollable));
  return nullptr;
}

// Returns 0 or errno: EBADF if the descriptor was closed, even if another file has the number by
// now.
int Registrations::change_kernel_events(Registration& found, std::uint32_t events) noexcept {
  const int error = set_.change(found.fd, events, table_.id_of(found).packed());
  if (error == 0) found.kernel_events = events;
  return error == ENOENT ? EBADF : error;
}

// Makes room in the queue for all registrations and one more.
void Registrations::reserve_ended() {
  const std::size_t wanted = ended_.size() + table_.size() + 1;
  if (ended_.capacity() < wanted) ended_.reserve(std::max(wanted, 2 * ended_.capacity()));
}

bool Registrations::remove(const Pollable& pollable) noexcept {
  const Registration* const found = table_.find(pollable);
  if (found == nullptr) return false;
  drop(table_.id_of(*found));
  return true;
}

// Takes the entry out of the set, unless its number belongs to a later registration, and forgets
// the registration. Errors do not matter: a closed descriptor has left the set by itself, or cannot
// be taken out [R3].
void Registrations::drop(RegistrationId id) noexcept {
  const Registration* const gone = table_.get(id);
  const bool owns_number = table_.find_descriptor(gone->fd) == gone;
  if (owns_number && fork_generation() == generation_) set_.take_out(gone->fd);
  table_.erase(id);
}

Registration& Registrations::require(const char* call, const Pollable& pollable) {
  Registration* const found = table_.find(pollable);
  if (found == nullptr) throw_unknown(call, pollable);
  return *found;
}

Events Registrations::ready_now(const Registration& registration) {
  const CancellationHold hold;
  if (end_if_closed(registration)) return Events::kError;
  if (registration.pollable.is_socket()) {
    const SocketState state = read_socket_state(registration.pollable.socket().handle());
    return state.error != 0 ? Events::kError : state.events & registration.interest;
  }
  return read_descriptor_state(registration.fd, registration.interest);
}

// A raw descriptor may be another epoll set, about which holds() cannot tell.
bool Registrations::is_intact(const Registration& registration) noexcept {
  if (!set_.is_open()) return true;  // no set to ask, until refresh() gets one
  if (registration.pollable.is_socket()) return set_.holds(registration.fd);
  const std::uint64_t id = table_.id_of(registration).packed();
  const int error = set_.change(registration.fd, registration.kernel_events, id);
  return error == 0 || error == ENOMEM;
}

// A socket whose context was terminated answers ETERM to everything, and counts as intact.
bool Registrations::is_intact(const Pollable& pollable) noexcept {
  const Registration* const found = table_.find(pollable);
  if (found == nullptr || !is_intact(*found)) return false;
  if (!pollable.is_socket()) return true;
  const SocketOption descriptor = read_socket_descriptor(pollable.socket().handle());
  return descriptor.error == ETERM || (descriptor.error == 0 && descriptor.value == found->fd);
}

void Registrations::end(RegistrationId id, int error) noexcept {
  const Registration* const found = table_.get(id);
  if (found == nullptr) return;
  ended_.push_back({found->pollable, Events::kError, found->token, error});
  drop(id);
}

bool Registrations::end_if_closed(const Registration& registration) noexcept {
  if (is_intact(registration)) return false;
  end(table_.id_of(registration), error_of_end(registration.pollable));
  return true;
}

void Registrations::deliver_ended(std::vector<Ready>& reports) {
  reports.insert(reports.end(), ended_.begin(), ended_.end());
  ended_.clear();
}

void Registrations::rebuild() {
  // stale_ stays set until the end, in case open() throws. First ask which registrations are still
  // in the old set: a reused number must not enter the new one.
  if (set_.is_open()) {
    table_.for_each([this](const Registration& each) { end_if_closed(each); });
  }
  // Close the old set before opening the new one, which can then use its descriptor.
  set_.close();
  set_.open();
  table_.for_each([this](const Registration& each) {
    const RegistrationId id = table_.id_of(each);
    const int error = set_.add(each.fd, each.kernel_events, id.packed());
    if (error != 0) end(id, error == EBADF ? error_of_end(each.pollable) : error);
  });
  stale_ = false;
}

void Registrations::close() noexcept {
  closed_ = true;
  set_.close();
  table_.clear();
  ended_.clear();
}

}  // namespace zmqloop
