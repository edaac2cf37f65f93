// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// What both kinds of poller know about their registrations: a table, and an epoll set in step with
// it.
//
// The epoll poller sleeps on that set. The zmq_poll poller never waits on it: it is there for one
// question that only epoll answers, because only epoll keys its entries by open file and number:
// does this number still name the file that was registered? (EpollSet::add, EpollSet::change.)
//
// Invariants:
//   R1  An entry of the table is in the set, unless its file was closed: the kernel takes that out.
//   R2  A registration that ends by itself is reported exactly once: end() queues, deliver_ended()
//       hands over. There is room in the queue for all that are registered.
//   R3  A descriptor that is closed while a dup of it lives stays in the set beyond anyone's reach.
//       Its reports carry an id that finds nothing; a new set is the only way to be rid of them.
//
// Threads: one at a time.
// Owns: the table and the set. In a forked child, where the set is the parent's, nothing but
// forgetting is done.
// Errors: as stated in poller_interface.h.
// Internal.

#ifndef ZMQLOOP_POLLER_REGISTRATIONS_H_
#define ZMQLOOP_POLLER_REGISTRATIONS_H_

#include <cstdint>
#include <vector>

#include "zmqloop/poller/epoll_set.h"
#include "zmqloop/poller/poller_interface.h"
#include "zmqloop/poller/registration_table.h"
#include "zmqloop/threading/host/fork_guard.h"

namespace zmqloop {

class Registrations {
 public:
  Registrations();

  // Throws std::logic_error after close() or in a forked child.
  void require_usable(const char* call) const {
    if (closed_ || fork_generation() != generation_) refuse(call);
  }

  // Checks everything that Poller::add promises to check, and registers; `kernel_events` is for the
  // set. `call`, here and below, is what errors name.
  RegistrationId add(const Pollable& pollable, Events events, std::uint64_t token,
                     std::uint32_t kernel_events, const char* call);

  // Checks and changes the interest; returns the registration. One that has ended unseen throws,
  // and is left for deliver_ended(). One that is paused stays so.
  Registration& modify(const Pollable& pollable, Events events, std::uint32_t kernel_events,
                       const char* call);

  // Pauses a registration, or resumes it with `kernel_events`; returns it, or null if there is none.
  // One that is found to have ended is left for deliver_ended().
  Registration* pause(const Pollable& pollable) noexcept;
  Registration* resume(const Pollable& pollable, std::uint32_t kernel_events) noexcept;

  bool remove(const Pollable& pollable) noexcept;

  // Returns the registration or throws std::invalid_argument.
  Registration& require(const char* call, const Pollable& pollable);

  // Returns what it is ready for, within its interest; kError if it has ended.
  Events ready_now(const Registration& registration);

  // Returns whether a descriptor, raw or a socket's, still names the file it was registered with.
  // One system call, and nothing of the socket is touched: one that is freed has closed its
  // descriptor. What remains is the time between the question and the use of its answer, in which
  // ZeroMQ's reaper thread may free a socket that was closed before.
  bool is_intact(const Registration& registration) noexcept;
  // The same for what is registered under that name; false if nothing is.
  bool is_intact(const Pollable& pollable) noexcept;

  // Drops a registration and queues the report of it.
  void end(RegistrationId id, int error) noexcept;

  // Ends a registration that is not intact; returns whether it did.
  bool end_if_closed(const Registration& registration) noexcept;

  // Returns whether there is something for deliver_ended().
  bool has_ended() const noexcept { return !ended_.empty(); }

  // Appends the queued reports.
  void deliver_ended(std::vector<Ready>& reports);

  // Has the next refresh() make the set anew, because an entry of it cannot be taken out [R3].
  void mark_stale() noexcept { stale_ = true; }

  // Makes a new epoll set of what is registered and intact, if the old one is stale. If the kernel
  // refuses one it throws std::system_error, and the next call tries again.
  void refresh() {
    if (stale_) rebuild();
  }

  void close() noexcept;

  RegistrationTable& table() noexcept { return table_; }
  const RegistrationTable& table() const noexcept { return table_; }
  EpollSet& set() noexcept { return set_; }

 private:
  [[noreturn]] void refuse(const char* call) const;
  void reserve_ended();
  int change_kernel_events(Registration& found, std::uint32_t events) noexcept;
  Registration* ended_unless_changed(Registration& found, std::uint32_t kernel_events) noexcept;
  void rebuild();
  void drop(RegistrationId id) noexcept;
  void replace_stale(RegistrationId stale, const Pollable& by);

  const std::uint32_t generation_;
  bool closed_ = false;
  bool stale_ = false;
  RegistrationTable table_;
  EpollSet set_;
  std::vector<Ready> ended_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_REGISTRATIONS_H_
