// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The Linux poller: one epoll set for raw descriptors and ZeroMQ sockets, whose cost does not grow
// with what is registered and idle.
//
// Raw descriptors are level-triggered entries, and a wait is one epoll_wait, whether it finds one
// of them ready or has to sleep. ZeroMQ sockets are entries for their ZMQ_FD, edge-triggered for
// reading and writing (see drain_detection.h), and a report is only a reason to look at ZMQ_EVENTS.
// The sockets that there is a reason to look at are the check list. A wait:
//
//   1. puts the REQ and REP sockets on the check list that can become ready without a trace on any
//      descriptor: those that answered a look with anything, though not with what is waited for
//      (zmq_socket_state.h says why the others cannot);
//   2. epoll_wait, without sleeping if the check list is not empty: descriptors reported are ready,
//      sockets reported go on the list;
//   3. looks at each socket on the list: one that is ready stays there, which is what makes it
//      level-triggered; one that is not leaves it and is armed: any change will be reported;
//      a socket that was not reported just now is first asked for by its descriptor (P3);
//   4. returns if anything is ready, else sleeps by going back to 2.
//
// Invariants:
//   P1  When the poller sleeps, the check list is empty and every socket is armed: between step 3
//       and the sleep nothing runs on this thread, and others can only write the eventfd.
//   P2  add, modify and touch put a socket on the check list; so do reports and readiness.
//   P3  Nothing is handed on, and no socket touched, that the kernel has not called ours: a socket
//       by a report or by the question whether its descriptor is in the set, kTrustedFor ago at
//       most; a raw descriptor by that question too, unless the look before reported it as well.
//       For numbers and handles change hands: a file that a child process has inherited is reported
//       after it was closed here, and a new socket gets the memory of a closed one. Of raw
//       descriptors that are reported look after look, kVerifyEvery looks hear the question once.
//   P4  Each way round the wait looks at the clock: reports that mean nothing cannot hold up a
//       deadline.
//
// Costs: 2.4 us per wake and drain of a socket, whether 1 or 1,000 are registered; 0.6 us for a raw
// descriptor; the question is 0.15 to 0.35 us of that. A socket that stays ready without a report is
// asked for every kTrustedFor: 2 to 3 percent of a loop that does nothing else.
//
// Threads, Owns, Errors: poller_interface.h.
// Internal: use make_poller().

#ifndef ZMQLOOP_POLLER_EPOLL_POLLER_H_
#define ZMQLOOP_POLLER_EPOLL_POLLER_H_

#include <cstdint>
#include <optional>
#include <sys/epoll.h>
#include <vector>

#include "zmqloop/poller/drain_detection.h"
#include "zmqloop/poller/poller_interface.h"
#include "zmqloop/poller/registrations.h"
#include "zmqloop/poller/rescan.h"

namespace zmqloop {

class EpollPoller final : public Poller {
 public:
  // Given no `detection`, finds out at the first socket; tests give one.
  explicit EpollPoller(std::optional<DrainDetection> detection = std::nullopt);

  void add(Pollable pollable, Events events, std::uint64_t token = 0,
           const char* call = "Poller::add") override;
  void modify(Pollable pollable, Events events, const char* call = "Poller::modify") override;
  bool remove(Pollable pollable) noexcept override;
  void pause(Pollable pollable) override;
  void resume(Pollable pollable) override;
  bool is_intact(Pollable pollable) noexcept override { return registrations_.is_intact(pollable); }
  void touch(Pollable pollable, const char* call = "Poller::touch") override;
  Events ready_now(Pollable pollable) override;
  std::span<const Ready> wait_until(std::optional<TimePoint> deadline) override;
  std::size_t size() const override { return registrations_.table().size(); }
  void close() noexcept override;
  PollerKind kind() const override { return PollerKind::kEpoll; }

 private:
  enum class Wake { kInterrupted, kReported, kNothing };

  std::uint32_t kernel_events(const Pollable& pollable, Events events) const noexcept;
  void check(Registration& socket) noexcept;
  void check_unsignalled_sockets();
  void rescan(TimePoint now);
  bool has_work() const noexcept { return !check_.empty() || registrations_.has_ended(); }
  Wake look(std::optional<TimePoint> deadline);
  void sort_reports(std::size_t count);
  void take_descriptor(Registration& found, std::uint32_t events);
  void look_at_checked();
  Events look_at_socket(Registration& socket, std::uint64_t now) noexcept;
  void grow_buffer();

  Registrations registrations_;
  std::optional<DrainDetection> detection_;
  // Sockets to look at; may name removed ones. Has room for each that is registered.
  std::vector<RegistrationId> check_;
  // Those to look at before each sleep, because they can flip; as above.
  std::vector<RegistrationId> flippers_;
  std::vector<epoll_event> buffer_;
  std::vector<Ready> ready_;  // what the last wait returned
  std::uint32_t looks_ = 1;   // the number of this look
  Rescan rescan_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_EPOLL_POLLER_H_
