// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Waits until descriptors or ZeroMQ sockets are ready, and reports which ones are.
//
//   std::unique_ptr<Poller> poller = make_poller(PollerKind::kEpoll);   // poller/poller.h
//   poller->add(socket, Events::kRead, /*token=*/1);
//   for (const Ready& r : poller->wait(std::nullopt)) handle(r.token, r.events);
//
// Both kinds of poller are level-triggered in effect: a descriptor or socket that stays ready is
// reported again by the next wait. This holds even if other code sends and receives on a socket
// between two waits, REQ and REP included. Call touch() only after a raw connect or disconnect on a
// registered socket.
//
// Threads: no thread and no lock of its own. One thread at a time may use a poller, and it must be
//          the thread that uses the registered sockets.
// Owns: its kernel objects, never a registered descriptor or socket. Remove those before you close
//       them.
// Errors: std::invalid_argument (bad events, bad pollable, registered twice, not registered),
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
  kZmqPoll,  // zmq_poll: portable; each wait costs in proportion to all registrations
  kEpoll,    // epoll: each wait costs in proportion to the ready ones
};

// The token of an event loop's own doorbells. They are never closed behind the poller's back, so a
// poller with no other registrations skips the looks described at Poller::wait_until().
inline constexpr std::uint64_t kInternalToken = std::numeric_limits<std::uint64_t>::max();

// One entry of the span that wait() returns.
struct Ready {
  Pollable pollable;
  Events events = Events::kNone;
  std::uint64_t token = 0;  // as given to add()
  // 0, or the reason why this registration has ended: ETERM (the socket's context was terminated),
  // ENOTSOCK (the socket was closed while registered), EBADF (the descriptor was closed while
  // registered). Then events is kError, the poller has dropped the registration, and this is its
  // only report.
  int error = 0;
};

class ZMQLOOP_EXPORT Poller {
 public:
  Poller() = default;
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;
  virtual ~Poller();

  // Registers `pollable` for `events`. kError is always included, and kNone means errors only.
  // Throws std::invalid_argument if it is registered already; the first registration stays as it
  // was. But if the registered descriptor was closed and its number names another open file by now,
  // the old registration is replaced. `call`, here and below, is the name that errors begin with.
  virtual void add(Pollable pollable, Events events, std::uint64_t token = 0,
                   const char* call = "Poller::add") = 0;

  // Replaces the events that `pollable` is registered for. Its token stays.
  virtual void modify(Pollable pollable, Events events, const char* call = "Poller::modify") = 0;

  // Ends a registration; returns false if there is none. Works on closed descriptors and sockets
  // too. Does not withdraw entries from the span that you are iterating over.
  virtual bool remove(Pollable pollable) noexcept = 0;

  // Stops reporting the readiness of a registration, errors included, until resume(). No effect if
  // it is not registered or already paused.
  virtual void pause(Pollable pollable) = 0;
  // Reports it again, from the next wait on. No effect if it is not registered or not paused.
  virtual void resume(Pollable pollable) = 0;

  // Returns whether `pollable` still names the file or socket that was registered: it was not
  // closed, and its number or handle was not reused, as far as system and ZeroMQ can tell. Returns
  // false if it is not registered.
  virtual bool is_intact(Pollable pollable) noexcept = 0;

  // Makes the next wait look at a registered socket again. Needed after a raw connect or disconnect
  // on it, because no descriptor shows those; harmless at any other time.
  virtual void touch(Pollable pollable, const char* call = "Poller::touch") = 0;

  // Returns the events that a registered `pollable` is ready for now, within its interest, without
  // waiting. Returns kError also if it was closed or terminated; the next wait reports that.
  virtual Events ready_now(Pollable pollable) = 0;

  // Waits until something is ready, at most until `deadline` (empty: for ever; kAtOnce: does not
  // sleep), and returns the ready entries. The span is valid until the next wait or close(). You
  // may add, modify and remove while iterating over it.
  //
  // A timeout is never early, and as precise as the kernel allows. An empty span means that the
  // time is up, that a signal handler ran (EINTR: look at your queues at once) or nothing in
  // particular (spurious; also a deadline beyond 24 days): look at the clock and wait again. An
  // entry can be stale if an earlier handler of the same span used its socket, so handlers must
  // accept EAGAIN.
  //
  // A sleep that lasts 100 ms is interrupted to look at the registrations, which finds those that
  // were closed while registered. Then it continues. With thousands of registrations it is
  // interrupted every 100 ms until each was looked at once. After that it goes on undisturbed, so
  // an idle loop makes no periodic wake-ups. If sleeps are shorter, the poller looks at some
  // registrations every 100 ms, as a sleep begins. (rescan.h)
  virtual std::span<const Ready> wait_until(std::optional<TimePoint> deadline) = 0;

  // Like wait_until(), with a timeout from now (empty: for ever; zero or less: does not sleep).
  std::span<const Ready> wait(std::optional<Duration> timeout);

  // Returns the number of registrations.
  virtual std::size_t size() const = 0;

  // Forgets all registrations and releases the kernel objects. Idempotent. Afterwards remove() and
  // is_intact() return false, size() returns 0, kind() still works, and everything else throws
  // std::logic_error.
  virtual void close() noexcept = 0;

  virtual PollerKind kind() const = 0;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_POLLER_INTERFACE_H_
