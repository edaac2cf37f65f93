// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/epoll_poller.h"

#include <algorithm>
#include <cerrno>

#include "zmqloop/poller/zmq_socket_state.h"
#include "zmqloop/threading/host/cancellation_hold.h"
#include "zmqloop/threading/host/cycle_clock.h"

namespace zmqloop {
namespace {

// Room for reports. A wait that fills it makes it as large as all registrations need, so all ready
// ones are served within a few rounds. Beyond the limit, the kernel rotates level-triggered
// entries, which keeps it fair.
constexpr std::size_t kFirstBuffer = 16;
constexpr std::size_t kLargestBuffer = 8'192;

// One look in this many asks the kernel about every descriptor it reports. Otherwise a descriptor
// that was closed while a duplicate lives would be reported for ever.
constexpr std::uint32_t kVerifyEvery = 256;

// A closed socket is freed by another thread, which has to wake up first. Until that is done no
// other socket can take its place.
constexpr std::uint64_t kTrustedFor = 10 * kCyclesPerMicrosecond;

// Looking at this many sockets takes only a part of that time: one reading of the clock is enough.
constexpr std::size_t kFew = 4;

Events from_kernel(std::uint32_t bits) noexcept {
  Events events = static_cast<Events>(bits & (EPOLLIN | EPOLLOUT));
  if ((bits & (EPOLLERR | EPOLLHUP)) != 0) events |= Events::kError;
  return events;
}

static_assert(static_cast<unsigned>(Events::kRead) == EPOLLIN &&
              static_cast<unsigned>(Events::kWrite) == EPOLLOUT &&
              static_cast<unsigned>(Events::kError) == (EPOLLERR | EPOLLHUP));

}  // namespace

EpollPoller::EpollPoller(std::optional<DrainDetection> detection)
    : detection_(detection), buffer_(kFirstBuffer) {}

std::uint32_t EpollPoller::kernel_events(const Pollable& pollable, Events events) const noexcept {
  if (!pollable.is_socket()) return static_cast<std::uint32_t>(events & ~Events::kError);
  // Without drain detection the entry is only a wake-up, and level-triggered is the safest kind.
  return detection_ == DrainDetection::kByEdge ? EPOLLIN | EPOLLOUT | EPOLLET : EPOLLIN;
}

void EpollPoller::add(Pollable pollable, Events events, std::uint64_t token,
                      const char* call) {
  registrations_.require_usable(call);
  if (pollable.is_socket() && !detection_) detection_ = drain_detection();
  const RegistrationId id =
      registrations_.add(pollable, events, token, kernel_events(pollable, events), call);
  if (!pollable.is_socket()) return;
  try {
    check_.reserve(check_.size() + registrations_.table().sockets());
    Registration& added = *registrations_.table().get(id);
    // A poller that scans looks at all sockets anyway.
    added.alternates =
        detection_ != DrainDetection::kByScan && alternates(pollable.socket().handle());
    if (added.alternates) {
      flippers_.reserve(flippers_.size() + registrations_.table().sockets());
    }
    check(added);
  } catch (...) {  // out of memory
    registrations_.remove(pollable);
    throw;
  }
}

void EpollPoller::modify(Pollable pollable, Events events, const char* call) {
  registrations_.require_usable(call);
  Registration& changed =
      registrations_.modify(pollable, events, kernel_events(pollable, events), call);
  if (pollable.is_socket()) check(changed);
}

bool EpollPoller::remove(Pollable pollable) noexcept { return registrations_.remove(pollable); }

void EpollPoller::pause(Pollable pollable) {
  registrations_.require_usable("Poller::pause");
  registrations_.pause(pollable);
}

void EpollPoller::resume(Pollable pollable) {
  registrations_.require_usable("Poller::resume");
  const Registration* const paused = registrations_.table().find(pollable);
  if (paused == nullptr) return;
  Registration* const found =
      registrations_.resume(pollable, kernel_events(pollable, paused->interest));
  if (found != nullptr && pollable.is_socket()) check(*found);
}

void EpollPoller::touch(Pollable pollable, const char* call) {
  registrations_.require_usable(call);
  Registration& touched = registrations_.require(call, pollable);
  if (pollable.is_socket()) check(touched);
}

Events EpollPoller::ready_now(Pollable pollable) {
  registrations_.require_usable("Poller::ready_now");
  Registration& found = registrations_.require("Poller::ready_now", pollable);
  // This look takes the signal. The next wait looks again, so it needs no report of that.
  if (pollable.is_socket()) check(found);
  return registrations_.ready_now(found);
}

void EpollPoller::close() noexcept {
  registrations_.close();
  check_.clear();
  flippers_.clear();
  ready_.clear();
}

std::span<const Ready> EpollPoller::wait_until(std::optional<TimePoint> deadline) {
  registrations_.require_usable("Poller::wait");
  registrations_.refresh();
  ready_.clear();
  check_unsignalled_sockets();
  if (deadline == kAtOnce) {
    look(kAtOnce);
    return ready_;
  }
  if (has_work()) {
    const Wake wake = look(kAtOnce);
    if (!ready_.empty() || wake == Wake::kInterrupted) return ready_;
  }
  if (registrations_.table().external() == 0) {
    rescan_.begin_undisturbed_sleep();
  } else {
    const TimePoint began = Clock::now();
    rescan_.begin_sleep(began, registrations_.table().places());
    if (rescan_.is_overdue(began)) rescan(began);
  }
  for (;;) {
    const std::optional<TimePoint> next = rescan_.next();
    const bool wait_for_all = !next || (deadline && *deadline < *next);
    const Wake wake = look(wait_for_all ? deadline : next);
    if (!ready_.empty() || wake == Wake::kInterrupted) return ready_;
    // Nothing is ready, and the time may not be up: this was a report of our own look, of an entry
    // that no registration owns, or of the timer, which was set for an earlier wait.
    const TimePoint now = Clock::now();
    if (deadline && now >= *deadline) return ready_;
    if (rescan_.is_due(now)) rescan(now);
    registrations_.refresh();
  }
}

// Polls once. Sleeps only if there is nothing to look at yet.
EpollPoller::Wake EpollPoller::look(std::optional<TimePoint> deadline) {
  ++looks_;
  if (has_work()) deadline = kAtOnce;
  const int count = registrations_.set().wait(buffer_, deadline);
  if (count > 0) sort_reports(static_cast<std::size_t>(count));
  if (!check_.empty()) look_at_checked();
  if (registrations_.has_ended()) registrations_.deliver_ended(ready_);
  if (count < 0) return Wake::kInterrupted;
  return count == 0 ? Wake::kNothing : Wake::kReported;
}

void EpollPoller::sort_reports(std::size_t count) {
  const std::uint64_t reported_at = cycles();
  for (std::size_t i = 0; i < count; ++i) {
    const RegistrationId id = RegistrationId::unpack(buffer_[i].data.u64);
    Registration* const found = registrations_.table().get(id);
    if (found == nullptr) {
      registrations_.mark_stale();
    } else if (found->pollable.is_socket()) {
      found->vouched_at = reported_at;
      check(*found);
    } else if (!found->paused) {
      take_descriptor(*found, buffer_[i].events);
    }
  }
  if (count == buffer_.size()) grow_buffer();
}

// Does not ask about a loop's own doorbells [P3].
void EpollPoller::take_descriptor(Registration& found, std::uint32_t events) {
  const bool was_silent = found.reported_in + 1 != looks_ || looks_ % kVerifyEvery == 0;
  found.reported_in = looks_;
  if (was_silent && found.token != kInternalToken && registrations_.end_if_closed(found)) return;
  ready_.push_back({found.pollable, from_kernel(events), found.token, 0});
}

// Grows at once to the room that all registrations need, so that the next round serves them all.
void EpollPoller::grow_buffer() {
  const std::size_t wanted = std::min(registrations_.table().size(), kLargestBuffer);
  if (wanted > buffer_.size()) buffer_.resize(wanted);
}

void EpollPoller::check(Registration& socket) noexcept {
  if (socket.in_check || socket.paused) return;
  check_.push_back(registrations_.table().id_of(socket));
  socket.in_check = true;
}

// A socket that is on one of the two lists has room on the other.
void EpollPoller::check_unsignalled_sockets() {
  if (detection_ == DrainDetection::kByScan) {
    registrations_.table().for_each([this](Registration& each) {
      if (each.pollable.is_socket()) check(each);
    });
    return;
  }
  for (const RegistrationId id : flippers_) {
    Registration* const found = registrations_.table().get(id);
    if (found == nullptr) continue;
    found->can_flip = false;
    check(*found);
  }
  flippers_.clear();
}

// A socket that turns out to be ready goes on the check list, and is looked at again there.
void EpollPoller::rescan(TimePoint now) {
  const CancellationHold hold;  // as in look_at_checked()
  rescan_.run(registrations_.table(), now, [this](Registration& each) {
    if (!each.pollable.is_socket()) {
      registrations_.end_if_closed(each);
    } else if (!each.in_check && !each.paused && any(look_at_socket(each, cycles()))) {
      check(each);
    }
  });
}

void EpollPoller::look_at_checked() {
  const CancellationHold hold;  // libzmq has cancellation points in the middle of its work
  std::size_t kept = 0;
  const bool are_few = check_.size() <= kFew;
  std::uint64_t now = cycles();
  for (const RegistrationId id : check_) {
    if (!are_few) now = cycles();
    Registration* const found = registrations_.table().get(id);
    if (found == nullptr) continue;
    if (!found->paused) {
      const Events events = look_at_socket(*found, now);
      if (any(events)) {
        ready_.push_back({found->pollable, events, found->token, 0});
        check_[kept++] = id;
        continue;
      }
    }
    found->in_check = false;
  }
  check_.resize(kept);
}

// Returns the events that the socket is ready for, within its interest. Ends the registration if
// the socket is gone. `now` is a recent cycles().
Events EpollPoller::look_at_socket(Registration& socket, std::uint64_t now) noexcept {
  const RegistrationId id = registrations_.table().id_of(socket);
  if (now - socket.vouched_at > kTrustedFor) {
    if (registrations_.end_if_closed(socket)) return Events::kNone;
    socket.vouched_at = now;
  }
  const SocketState state = read_socket_state(socket.pollable.socket().handle());
  if (state.error != 0) {
    registrations_.end(id, state.error);
    return Events::kNone;
  }
  const Events events = state.events & socket.interest;
  if (socket.alternates && any(state.events) && !any(events) && !socket.can_flip) {
    flippers_.push_back(id);
    socket.can_flip = true;
  }
  return events;
}

}  // namespace zmqloop
