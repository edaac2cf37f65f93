#include "zmqloop/poller/zmq_poll_poller.h"

#include <algorithm>
#include <cerrno>
#include <poll.h>

#include "zmqloop/poller/poller_error.h"
#include "zmqloop/poller/zmq_socket_state.h"
#include "zmqloop/threading/host/cancellation_hold.h"

namespace zmqloop {
namespace {

// A sleep this long is interrupted once for a look at everything.
constexpr Duration kQuiet = std::chrono::milliseconds(100);

// poll(2) takes an int.
constexpr Duration kLongestSleep = std::chrono::hours(24 * 24);

// The epoll set is asked who is in it, never who is ready.
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

// Returns what to give to poll: how long it is until `deadline`, rounded up.
int to_milliseconds(std::optional<TimePoint> deadline) noexcept {
  if (!deadline) return -1;
  if (*deadline == kAtOnce) return 0;
  const Duration left = std::clamp(saturating_subtract(*deadline, Clock::now()), Duration::zero(),
                                   Duration(kLongestSleep));
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count());
}

}  // namespace

void ZmqPollPoller::add(Pollable pollable, Events events, std::uint64_t token) {
  registrations_.require_usable("add");
  registrations_.add(pollable, events, token, kNoKernelEvents);
  changed_ = true;
}

void ZmqPollPoller::modify(Pollable pollable, Events events) {
  registrations_.require_usable("modify");
  changed_ = true;
  registrations_.modify(pollable, events, kNoKernelEvents);
}

bool ZmqPollPoller::remove(Pollable pollable) noexcept {
  changed_ = true;
  return registrations_.remove(pollable);
}

void ZmqPollPoller::pause(Pollable pollable) {
  registrations_.require_usable("pause");
  changed_ = true;
  registrations_.pause(pollable);
}

void ZmqPollPoller::resume(Pollable pollable) {
  registrations_.require_usable("resume");
  changed_ = true;
  registrations_.resume(pollable, kNoKernelEvents);
}

void ZmqPollPoller::touch(Pollable pollable) {
  registrations_.require_usable("touch");
  registrations_.require("touch", pollable);  // Every wait looks at every socket.
}

Events ZmqPollPoller::ready_now(Pollable pollable) {
  registrations_.require_usable("ready_now");
  return registrations_.ready_now(registrations_.require("ready_now", pollable));
}

void ZmqPollPoller::close() noexcept {
  registrations_.close();
  items_.clear();
  owners_.clear();
  ready_.clear();
}

std::span<const Ready> ZmqPollPoller::wait_until(std::optional<TimePoint> deadline) {
  registrations_.require_usable("wait");
  ready_.clear();
  if (registrations_.table().external() != 0 && deadline != kAtOnce) {
    const TimePoint quiet = saturating_add(Clock::now(), kQuiet);
    if (!deadline || *deadline > quiet) {
      if (look(quiet) != Wake::kTimedOut) return ready_;
      registrations_.end_closed_descriptors();
    }
  }
  look(deadline);
  return ready_;
}

// Polls once: sleeps only if there is nothing to report already.
ZmqPollPoller::Wake ZmqPollPoller::look(std::optional<TimePoint> deadline) {
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

// Returns how many items are ready; 0 also if some socket had ended, -1 if a signal handler ran.
// A pthread_cancel() that takes effect inside zmq_poll() may leave one of its sockets half way
// through something, and who terminates its context then waits for ever: threads that wait for
// sockets are better stopped, or use the epoll poller.
int ZmqPollPoller::poll_items(std::optional<TimePoint> deadline) {
  const int milliseconds = to_milliseconds(deadline);
  // zmq_poll of nothing does not sleep for ever.
  const int count = items_.empty()
                        ? poll(nullptr, 0, milliseconds)
                        : zmq_poll(items_.data(), static_cast<int>(items_.size()), milliseconds);
  if (count >= 0) return count;
  const int error = items_.empty() ? errno : zmq_errno();
  if (error == EINTR) return -1;
  end_failed_sockets(error);
  return 0;
}

// One bad socket fails zmq_poll as a whole, without a word about which.
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
  if (!found) throw_call_failed("wait", "zmq_poll", error);
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

// A loop's own doorbells are spared the question whether they are still themselves.
void ZmqPollPoller::take_descriptor(const Registration& found, short revents) {
  const bool trusted = found.token == kInternalToken && (revents & ZMQ_POLLERR) == 0;
  if (trusted || registrations_.is_intact(found)) {
    ready_.push_back({found.pollable, from_zmq(revents), found.token, 0});
  } else {
    registrations_.end(registrations_.table().id_of(found), EBADF);
  }
}

}  // namespace zmqloop
