// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/zmq_poll_poller.h"

#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <sys/resource.h>
#include <system_error>

#include "absl/strings/str_cat.h"

#include "zmqloop/poller/poller_error.h"
#include "zmqloop/poller/zmq_socket_state.h"
#include "zmqloop/threading/host/cancellation_hold.h"

namespace zmqloop {
namespace {

// poll(2) takes its milliseconds as an int.
constexpr Duration kLongestSleep = std::chrono::hours(24 * 24);

// We ask the epoll set only which files it holds, never which are ready.
constexpr std::uint32_t kNoKernelEvents = 0;

short to_zmq(Events events) noexcept {
  int bits = ZMQ_POLLERR;
  if (any(events & Events::kRead)) bits |= ZMQ_POLLIN;
  if (any(events & Events::kWrite)) bits |= ZMQ_POLLOUT;
  return static_cast<short>(bits);
}

Events from_zmq(short bits) noexcept {
  Events events = Events::kNone;
  if ((bits & ZMQ_POLLIN) != 0) events |= Events::kRead;
  if ((bits & ZMQ_POLLOUT) != 0) events |= Events::kWrite;
  if ((bits & ZMQ_POLLERR) != 0) events |= Events::kError;
  return events;
}

// Returns the timeout for poll(2): the time until `deadline`, rounded up.
int to_milliseconds(std::optional<TimePoint> deadline) noexcept {
  if (!deadline) return -1;
  if (*deadline == kAtOnce) return 0;
  const Duration left = std::clamp(saturating_subtract(*deadline, Clock::now()), Duration::zero(),
                                   Duration(kLongestSleep));
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count());
}

// poll(2) refuses more entries than the process may have open files, and zmq_poll then aborts.
void require_room_for(std::size_t entries) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || entries <= limit.rlim_cur) return;
  throw std::system_error(
      EINVAL, std::system_category(),
      absl::StrCat("Poller::wait: poll: ", entries, " are registered, and the limit of open files ",
                   "(RLIMIT_NOFILE) has been lowered to ", limit.rlim_cur,
                   "; raise it, or use PollerKind::kEpoll"));
}

}  // namespace

void ZmqPollPoller::add(Pollable pollable, Events events, std::uint64_t token,
                        const char* call) {
  registrations_.require_usable(call);
  registrations_.add(pollable, events, token, kNoKernelEvents, call);
  changed_ = true;
}

void ZmqPollPoller::modify(Pollable pollable, Events events, const char* call) {
  registrations_.require_usable(call);
  changed_ = true;
  registrations_.modify(pollable, events, kNoKernelEvents, call);
}

bool ZmqPollPoller::remove(Pollable pollable) noexcept {
  changed_ = true;
  return registrations_.remove(pollable);
}

void ZmqPollPoller::pause(Pollable pollable) {
  registrations_.require_usable("Poller::pause");
  changed_ = true;
  registrations_.pause(pollable);
}

void ZmqPollPoller::resume(Pollable pollable) {
  registrations_.require_usable("Poller::resume");
  changed_ = true;
  registrations_.resume(pollable, kNoKernelEvents);
}

void ZmqPollPoller::touch(Pollable pollable, const char* call) {
  registrations_.require_usable(call);
  registrations_.require(call, pollable);  // Every wait looks at every socket.
}

Events ZmqPollPoller::ready_now(Pollable pollable) {
  registrations_.require_usable("Poller::ready_now");
  return registrations_.ready_now(registrations_.require("Poller::ready_now", pollable));
}

void ZmqPollPoller::close() noexcept {
  registrations_.close();
  items_.clear();
  owners_.clear();
  ready_.clear();
}

std::span<const Ready> ZmqPollPoller::wait_until(std::optional<TimePoint> deadline) {
  registrations_.require_usable("Poller::wait");
  ready_.clear();
  if (registrations_.table().external() != 0 && deadline != kAtOnce) {
    const TimePoint began = Clock::now();
    rescan_.begin_sleep(began, registrations_.table().places());
    if (rescan_.is_overdue(began)) rescan(began);  // even if signals keep the loop from sleeping
    for (auto next = rescan_.next(); next && (!deadline || *deadline > *next);
         next = rescan_.next()) {
      if (look(next) != Wake::kTimedOut) return ready_;
      const TimePoint now = Clock::now();
      if (rescan_.is_due(now)) rescan(now);
    }
  }
  look(deadline);
  return ready_;
}

// Asks about descriptors only: each look asks about the sockets anyway.
void ZmqPollPoller::rescan(TimePoint now) {
  rescan_.run(registrations_.table(), now, [this](const Registration& each) {
    if (!each.pollable.is_socket()) registrations_.end_if_closed(each);
  });
}

// Polls once. Sleeps only if there is nothing to report yet.
ZmqPollPoller::Wake ZmqPollPoller::look(std::optional<TimePoint> deadline) {
  end_closed_sockets();
  changed_ = changed_ || registrations_.has_ended();
  if (changed_) refresh_items();
  if (registrations_.has_ended()) deadline = kAtOnce;
  const int count = poll_items(deadline);
  if (count > 0) collect();
  changed_ = registrations_.has_ended();
  if (registrations_.has_ended()) registrations_.deliver_ended(ready_);
  if (!ready_.empty()) return Wake::kReported;
  return count < 0 ? Wake::kInterrupted : Wake::kTimedOut;
}

// Runs before zmq_poll, which touches every socket it is given.
void ZmqPollPoller::end_closed_sockets() noexcept {
  if (registrations_.table().sockets() == 0) return;
  registrations_.table().for_each([this](const Registration& each) {
    if (each.pollable.is_socket() && !each.paused) registrations_.end_if_closed(each);
  });
}

void ZmqPollPoller::refresh_items() {
  items_.clear();
  owners_.clear();
  registrations_.table().for_each([this](const Registration& each) {
    if (each.paused) return;
    void* const socket = each.pollable.socket().handle();
    items_.push_back({socket, socket == nullptr ? each.fd : -1, to_zmq(each.interest), 0});
    owners_.push_back(registrations_.table().id_of(each));
  });
}

// Returns the number of ready items: 0 also if a socket had ended, -1 if a signal handler ran. A
// pthread_cancel() that takes effect inside zmq_poll() may leave a socket in the middle of an
// operation, and terminating its context then blocks for ever. So do not cancel threads that wait
// for sockets: stop them, or use the epoll poller.
int ZmqPollPoller::poll_items(std::optional<TimePoint> deadline) {
  const int milliseconds = to_milliseconds(deadline);
  require_room_for(items_.size());
  // Without items, zmq_poll does not sleep for ever.
  const int count = items_.empty()
                        ? poll(nullptr, 0, milliseconds)
                        : zmq_poll(items_.data(), static_cast<int>(items_.size()), milliseconds);
  if (count >= 0) return count;
  const int error = items_.empty() ? errno : zmq_errno();
  if (error == EINTR) return -1;
  end_failed_sockets(error);
  return 0;
}

// One bad socket makes zmq_poll fail as a whole, and the error does not say which one it is.
void ZmqPollPoller::end_failed_sockets(int error) {
  const CancellationHold hold;
  bool found = false;
  registrations_.table().for_each([&](const Registration& each) {
    if (!each.pollable.is_socket() || each.paused) return;
    const SocketState state = read_socket_state(each.pollable.socket().handle());
    if (state.error == 0) return;
    registrations_.end(registrations_.table().id_of(each), state.error);
    found = true;
  });
  if (!found) throw_call_failed("Poller::wait", "zmq_poll", error);
}

void ZmqPollPoller::collect() {
  for (std::size_t i = 0; i < items_.size(); ++i) {
    if (items_[i].revents == 0) continue;
    const Registration* const found = registrations_.table().get(owners_[i]);
    if (found->pollable.is_socket()) {
      ready_.push_back({found->pollable, from_zmq(items_[i].revents), found->token, 0});
    } else {
      take_descriptor(*found, items_[i].revents);
    }
  }
}

// Does not ask whether a loop's own doorbell was closed, unless it reports an error.
void ZmqPollPoller::take_descriptor(const Registration& found, short revents) {
  const bool trusted = found.token == kInternalToken && (revents & ZMQ_POLLERR) == 0;
  if (!trusted && registrations_.end_if_closed(found)) return;
  ready_.push_back({found.pollable, from_zmq(revents), found.token, 0});
}

}  // namespace zmqloop
