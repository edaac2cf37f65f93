// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The registrations of a poller of either kind: a table, and an epoll set in step with it.
//
// The epoll poller sleeps on that set. The zmq_poll poller never waits on it, but asks it one
// question: does this number still name the file that was registered? Only epoll can answer,
// because only epoll keys its entries by open file and number. (EpollSet::add, EpollSet::change.)
//
// Invariants:
//   R1  An entry of the table is in the set, unless its file was closed: then the kernel takes it
//       out.
//   R2  A registration that ends by itself is reported exactly once: end() queues the report,
//       deliver_ended() hands it over. The queue has room for all registrations.
//   R3  A descriptor that is closed while a dup of it lives stays in the set, where we cannot reach
//       it. Its reports carry an id that finds nothing. Only a new set gets rid of them.
//
// Threads: one at a time.
// Owns: the table and the set. In a forked child, where the set is the parent's, calls only forget.
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

  // Checks everything that Poller::add promises to check, and registers. `kernel_events` is for the
  // set. `call`, here and below, is the name in error texts.
  RegistrationId add(const Pollable& pollable, Events events, std::uint64_t token,
                     std::uint32_t kernel_events, const char* call);

  // Checks and changes the interest; returns the registration. Throws if it has ended unnoticed,
  // and leaves the report to deliver_ended(). A paused registration stays paused.
  Registration& modify(const Pollable& pollable, Events events, std::uint32_t kernel_events,
                       const char* call);

  // Pauses a registration, or resumes it with `kernel_events`. Returns it, or null if there is none
  // or it turns out to have ended; then deliver_ended() delivers the report.
  Registration* pause(const Pollable& pollable) noexcept;
  Registration* resume(const Pollable& pollable, std::uint32_t kernel_events) noexcept;

  bool remove(const Pollable& pollable) noexcept;

  // Returns the registration or throws std::invalid_argument.
  Registration& require(const char* call, const Pollable& pollable);

  // Returns its readiness, within its interest; kError if it has ended.
  Events ready_now(const Registration& registration);

  // Returns whether a descriptor, raw or a socket's, still names the file it was registered with.
  // One system call, which does not touch the socket: a freed socket has closed its descriptor. One
  // gap remains. Between the question and the use of its answer, ZeroMQ's reaper thread may free a
  // socket that was closed before.
  bool is_intact(const Registration& registration) noexcept;
  // The same for the registration under that name; false if there is none. Also reads the ZMQ_FD of
  // a socket.
  bool is_intact(const Pollable& pollable) noexcept;

  // Drops a registration and queues its report.
  void end(RegistrationId id, int error) noexcept;

  // Ends a registration that is not intact; returns whether it did.
  bool end_if_closed(const Registration& registration) noexcept;

  // Returns whether deliver_ended() has something to deliver.
  bool has_ended() const noexcept { return !ended_.empty(); }

  // Appends the queued reports.
  void deliver_ended(std::vector<Ready>& reports);

  // Makes the next refresh() build a new set, because an entry cannot be taken out of this one
  // [R3].
  void mark_stale() noexcept { stale_ = true; }

  // If the set is stale, builds a new one from the registrations that are intact. If the kernel
  // refuses one, throws std::system_error, and the next call tries again.
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
