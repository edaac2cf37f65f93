// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The portable poller: every wait is a zmq_poll over all registrations.
//
// zmq_poll looks at every socket before and after it sleeps, so it is level-triggered by itself. It
// costs 0.35 us per socket and pass, with two passes per sleep, and counts in whole milliseconds:
// use it for few sockets. It cannot tell whether a descriptor's number or a socket's handle was
// reused. For that we ask an epoll set that is never waited on (registrations.h), at 0.15 us for
// each descriptor reported and for each socket before it is touched. On a system without epoll,
// only that set must be replaced.
//
// If the process lowers its limit of open files below the number of registrations, the next wait
// throws std::system_error. If that happens during a wait, libzmq itself ends the process.
//
// Threads, Owns, Errors: poller_interface.h.
// Internal: use make_poller().

#ifndef ZMQLOOP_POLLER_ZMQ_POLL_POLLER_H_
#define ZMQLOOP_POLLER_ZMQ_POLL_POLLER_H_

#include <optional>
#include <vector>
#include <zmq.h>

#include "zmqloop/poller/poller_interface.h"
#include "zmqloop/poller/registrations.h"
#include "zmqloop/poller/rescan.h"

namespace zmqloop {

class ZmqPollPoller final : public Poller {
 public:
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
  PollerKind kind() const override { return PollerKind::kZmqPoll; }

 private:
  enum class Wake { kTimedOut, kInterrupted, kReported };

  void rescan(TimePoint now);
  void end_closed_sockets() noexcept;
  void refresh_items();
  Wake look(std::optional<TimePoint> deadline);
  int poll_items(std::optional<TimePoint> deadline);
  void collect();
  void take_descriptor(const Registration& found, short revents);
  void end_failed_sockets(int error);

  Registrations registrations_;
  // The items for zmq_poll, and the registration of each. Rebuilt if changed_.
  std::vector<zmq_pollitem_t> items_;
  std::vector<RegistrationId> owners_;
  bool changed_ = false;
  Rescan rescan_;
  std::vector<Ready> ready_;  // the result of the last wait
};

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_ZMQ_POLL_POLLER_H_
