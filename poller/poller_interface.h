// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// What a poller is: waits until descriptors or ZeroMQ sockets are ready, and says which.
//
//   std::unique_ptr<Poller> poller = make_poller(PollerKind::kEpoll);   // poller/poller.h
//   poller->add(socket, Events::kRead, /*token=*/1);
//   for (const Ready& r : poller->wait(std::nullopt)) handle(r.token, r.events);
//
// Both kinds are level-triggered in effect, for descriptors and sockets alike: what stays ready is
// reported again by the next wait. For ZeroMQ sockets that holds whatever other code sends and
// receives on them between two waits, REQ and REP included; only after a raw connect or disconnect
// on a registered socket must touch() be called.
//
// Threads: none of its own and no lock: one thread at a time uses a poller, and it is the thread
//          that uses the registered sockets.
// Owns: its kernel objects; never a registered descriptor or socket. Remove before closing those.
// Errors: std::invalid_argument (bad events, bad pollable, registered twice, unknown),
//         std::system_error (EPERM: a regular file or directory, EBADF: a closed descriptor,
//         EMFILE), zmq::error_t (ENOTSOCK: a closed socket, ETERM: its context was terminated),
//         std::logic_error (used after close, or in a forked child). A call that throws changes
//         nothing.
// Public.

#ifndef ZMQLOOP_POLLER_POLLER_INTERFACE_H_
#define ZMQLOOP_POLLER_POLLER_INTERFACE_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>

#include "zmqloop/poller/events.h"
#include "zmqloop/poller/pollable.h"
#include "zmqloop/threading/host/clock.h"
#include "zmqloop/threading/host/export.h"

namespace zmqloop {

enum class PollerKind {
  kZmqPoll,  // zmq_poll: portable; each wait costs in proportion to what is registered
  kEpoll,    // epoll: each wait costs in proportion to what is ready
};

// The token of an event loop's own doorbells. They are never closed behind the poller's back, so
// that a poller with no other registrations skips the looks described at Poller::wait_until().
inline constexpr std::uint64_t kInternalToken = std::numeric_limits<std::uint64_t>::max();

// One entry of what wait() returns.
struct Ready {
  Pollable pollable;
  Events events = Events::kNone;
  std::uint64_t token = 0;  // as given to add()
  // 0, or why this registration has ended. Then events is kError, the poller has dropped it and
  // this is its only report: ETERM (the socket's context was terminated), ENOTSOCK (the socket was
  // closed while registered), EBADF (the descriptor was closed while registered).
  int error = 0;
};

class ZMQLOOP_EXPORT Poller {
 public:
  Poller() = default;
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;
  virtual ~Poller();

  // Registers `pollable` for `events`; kError is always included and kNone means errors only.
  // Throws std::invalid_argument if it is registered already, and the first registration stays as
  // it was. A registration whose descriptor was closed, and whose number now names another open
  // file, does not count: it is replaced. `call`, here and below, is the name that errors begin with.
  virtual void add(Pollable pollable, Events events, std::uint64_t token = 0,
                   const char* call = "Poller::add") = 0;

  // Replaces the events that `pollable` is registered for. Its token stays.
  virtual void modify(Pollable pollable, Events events, const char* call = "Poller::modify") = 0;

  // Ends a registration; false if there is none. Works on closed descriptors and sockets too.
  // Entries of the span that is being iterated are not withdrawn.
  virtual bool remove(Pollable pollable) noexcept = 0;

  // Does not report what a registration is ready for, errors included, until resume(). Not
  // registered, or paused already: no effect.
  virtual void pause(Pollable pollable) = 0;
  // Reports it again, from the next wait on. Not registered, or not paused: no effect.
  virtual void resume(Pollable pollable) = 0;

  // Returns whether a registered `pollable` is still what was registered: not closed, and its
  // number or handle not another one's by now, as far as system and ZeroMQ can tell.
  virtual bool is_intact(Pollable pollable) noexcept = 0;

  // Has the next wait look at a registered socket again. Needed after a raw connect or disconnect
  // on it, which no descriptor shows; harmless at any other time.
  virtual void touch(Pollable pollable, const char* call = "Poller::touch") = 0;

  // Returns what a registered `pollable` is ready for at this moment, within its interest, without
  // waiting; kError also for one that has been closed or terminated, which the next wait reports.
  virtual Events ready_now(Pollable pollable) = 0;

  // Waits until something is ready, at most until `deadline` (empty: for ever; kAtOnce: does
  // not sleep) and returns it. The span is valid until the next wait or close(); add, modify
  // and remove are allowed while iterating over it.
  //
  // It is never early, and as precise as the kernel allows. An empty span means that the time is
  // up, that a signal handler ran (EINTR: the caller looks at its queues at once) or nothing in
  // particular (spurious; also a deadline beyond 24 days): the caller looks at the clock and waits
  // again. An entry can be stale when an earlier handler of the same span used its socket: handlers
  // take EAGAIN as an answer.
  //
  // A sleep that lasts 100 ms is interrupted for a look at registrations, which finds what was
  // closed while registered, and continued; with many of them (thousands) again every 100 ms, until
  // each was looked at once. Then it goes on undisturbed, so an idle loop makes no periodic
  // wake-ups. Where sleeps are shorter, one that begins looks at some, every 100 ms. (rescan.h)
  virtual std::span<const Ready> wait_until(std::optional<TimePoint> deadline) = 0;

  // The same, with a timeout from now (empty: for ever; zero or less: does not sleep).
  std::span<const Ready> wait(std::optional<Duration> timeout);

  // Returns the number of registrations.
  virtual std::size_t size() const = 0;

  // Forgets all registrations and releases the kernel objects. Idempotent; afterwards remove()
  // returns false, size() 0 and everything else throws std::logic_error.
  virtual void close() noexcept = 0;

  virtual PollerKind kind() const = 0;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_POLLER_INTERFACE_H_
