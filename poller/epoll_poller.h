// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The Linux poller: one epoll set for raw descriptors and ZeroMQ sockets. Its cost does not grow
// with the number of idle registrations.
//
// Raw descriptors are level-triggered entries: a wait for them is one epoll_wait, whether one is
// ready or the wait has to sleep. ZeroMQ sockets are entries for their ZMQ_FD, edge-triggered for
// reading and writing (see drain_detection.h). A report of one is only a reason to look at
// ZMQ_EVENTS. The check list holds the sockets that we have a reason to look at. A wait:
//
//   1. puts on the check list the REQ and REP sockets that can become ready without a trace on any
//      descriptor: those whose last look found some event, but none of their interest
//      (zmq_socket_state.h says why the others cannot);
//   2. calls epoll_wait, without sleeping if the check list is not empty: descriptors reported are
//      ready, sockets reported go on the list;
//   3. looks at each socket on the list. A ready one stays there, which makes it level-triggered.
//      One that is not ready leaves the list and is armed: any change will be reported. A socket
//      that was not reported just now is first confirmed by its descriptor (P3);
//   4. returns if anything is ready, else sleeps by going back to 2.
//
// Invariants:
//   P1  When the poller sleeps, the check list is empty and every socket is armed: between step 3
//       and the sleep nothing runs on this thread, and other threads can only write the eventfd.
//   P2  add, modify, resume, touch and ready_now put a socket on the check list; so do reports and
//       readiness.
//   P3  The poller reports nothing, and touches no socket, before the kernel has confirmed that it
//       is still ours. A socket is confirmed by a report, or by asking whether its descriptor is in
//       the set, at most kTrustedFor ago. A raw descriptor is confirmed by the same question,
//       unless the previous look reported it too: then it is asked about once in kVerifyEvery
//       looks. The reason: numbers and handles are reused. A file that a child process has
//       inherited is reported after it was closed here, and a new socket gets the memory of a
//       closed one.
//   P4  Each round of the wait looks at the clock, so reports that mean nothing cannot delay a
//       deadline.
//
// Costs: 2.4 us per wake and drain of a socket, whether 1 or 1,000 are registered; 0.6 us for a raw
//        descriptor. The question of P3 is 0.15 to 0.35 us of that. We ask about a socket that
//        stays ready without a report every kTrustedFor: 2 to 3 percent of a loop that does nothing
//        else.
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
  // Without `detection`, finds out when the first socket is added; tests pass one.
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
  // Sockets to look at; may name removed ones. Has room for every registered socket.
  std::vector<RegistrationId> check_;
  // Sockets to look at as the next wait begins, because they can flip. The same rules.
  std::vector<RegistrationId> flippers_;
  std::vector<epoll_event> buffer_;
  std::vector<Ready> ready_;  // the result of the last wait
  std::uint32_t looks_ = 1;   // the number of this look
  Rescan rescan_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_EPOLL_POLLER_H_
