#include "zmqloop/poller/epoll_poller.h"

#include <algorithm>
#include <cerrno>

#include "zmqloop/poller/zmq_socket_state.h"
#include "zmqloop/threading/host/cancellation_hold.h"

namespace zmqloop {
namespace {

// Room for reports. When a wait fills it, it is doubled, so that whatever is ready is served within
// a few rounds; beyond the limit the kernel's rotation of level-triggered entries is what keeps it
// fair.
constexpr std::size_t kFirstBuffer = 64;
constexpr std::size_t kLargestBuffer = 8'192;

// A sleep this long is interrupted once for a look at everything.
constexpr Duration kQuiet = std::chrono::milliseconds(100);

// One round in so many asks the kernel whether the descriptors it reports are still those that were
// registered (0.3 us each): a descriptor closed while a dup lives would otherwise be reported for
// ever.
constexpr std::uint32_t kVerifyEvery = 256;

// A loop that never sleeps for kQuiet looks around as well: at so many registrations, every kQuiet.
constexpr std::size_t kLookAroundAt = 256;

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
  // Without the detector the entry is only a wake-up, and level-triggered is the safest one.
  return detection_ == DrainDetection::kByEdge ? EPOLLIN | EPOLLOUT | EPOLLET : EPOLLIN;
}

void EpollPoller::add(Pollable pollable, Events events, std::uint64_t token) {
  registrations_.require_usable("add");
  if (pollable.is_socket() && !detection_) detection_ = drain_detection();
  const RegistrationId id =
      registrations_.add(pollable, events, token, kernel_events(pollable, events));
  if (!pollable.is_socket()) return;
  try {
    check_.reserve(check_.size() + registrations_.table().sockets());
    check(*registrations_.table().get(id));
    if (flips_silently(pollable.socket().handle())) flippers_.push_back(id);
  } catch (...) {  // out of memory
    registrations_.remove(pollable);
    throw;
  }
}

void EpollPoller::modify(Pollable pollable, Events events) {
  registrations_.require_usable("modify");
  Registration& changed = registrations_.modify(pollable, events, kernel_events(pollable, events));
  if (pollable.is_socket()) check(changed);
}

bool EpollPoller::remove(Pollable pollable) noexcept { return registrations_.remove(pollable); }

void EpollPoller::pause(Pollable pollable) {
  registrations_.require_usable("pause");
  registrations_.pause(pollable);
}

void EpollPoller::resume(Pollable pollable) {
  registrations_.require_usable("resume");
  const Registration* const paused = registrations_.table().find(pollable);
  if (paused == nullptr) return;
  Registration* const found =
      registrations_.resume(pollable, kernel_events(pollable, paused->interest));
  if (found != nullptr && pollable.is_socket()) check(*found);
}

void EpollPoller::touch(Pollable pollable) {
  registrations_.require_usable("touch");
  Registration& touched = registrations_.require("touch", pollable);
  if (pollable.is_socket()) check(touched);
}

Events EpollPoller::ready_now(Pollable pollable) {
  registrations_.require_usable("ready_now");
  Registration& found = registrations_.require("ready_now", pollable);
  // Looking takes the signal; the next wait looks again rather than rely on hearing of that.
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
  registrations_.require_usable("wait");
  registrations_.refresh();
  ready_.clear();
  check_unreliable_sockets();
  if (deadline == kAtOnce) {
    look(kAtOnce);
    return ready_;
  }
  if (has_work()) {
    const Wake wake = look(kAtOnce);
    if (!ready_.empty() || wake == Wake::kInterrupted) return ready_;
  }
  // What is registered may have been closed: a look at everything after kQuiet, if it comes to
  // that.
  std::optional<TimePoint> quiet;
  if (registrations_.table().external() != 0) {
    const TimePoint now = Clock::now();
    quiet = saturating_add(now, kQuiet);
    if (now >= saturating_add(looked_around_, kQuiet)) look_around(now);
  }
  for (;;) {
    const Wake wake = look(!quiet || (deadline && *deadline < *quiet) ? deadline : quiet);
    if (!ready_.empty() || wake == Wake::kInterrupted) return ready_;
    if (wake == Wake::kNothing) {
      const TimePoint now = Clock::now();
      if (deadline && now >= *deadline) return ready_;
      if (quiet && now >= *quiet) {
        look_at_all();
        quiet.reset();
      }
    }
    // Neither ready nor over: a report of our own look, of an entry that is nobody's, or of the
    // timer, which was set for an earlier wait.
    registrations_.refresh();
  }
}

// Polls once: sleeps only if there is nothing to look at already.
EpollPoller::Wake EpollPoller::look(std::optional<TimePoint> deadline) {
  if (has_work()) deadline = kAtOnce;
  const int count = registrations_.set().wait(buffer_, deadline);
  if (count > 0) sort_reports(static_cast<std::size_t>(count));
  if (!check_.empty()) look_at_checked();
  if (registrations_.has_ended()) registrations_.deliver_ended(ready_);
  if (count < 0) return Wake::kInterrupted;
  return count == 0 ? Wake::kNothing : Wake::kReported;
}

void EpollPoller::sort_reports(std::size_t count) {
  const bool verify = ++report_rounds_ % kVerifyEvery == 0;
  for (std::size_t i = 0; i < count; ++i) {
    const RegistrationId id = RegistrationId::unpack(buffer_[i].data.u64);
    Registration* const found = registrations_.table().get(id);
    if (found == nullptr) {
      registrations_.mark_stale();
    } else if (found->pollable.is_socket()) {
      check(*found);
    } else if (!found->paused) {
      take_descriptor(*found, buffer_[i].events, verify);
    }
  }
  if (count == buffer_.size()) grow_buffer();
}

void EpollPoller::take_descriptor(Registration& found, std::uint32_t events, bool verify) {
  if (verify && !registrations_.is_intact(found)) {
    registrations_.end(registrations_.table().id_of(found), EBADF);
  } else {
    ready_.push_back({found.pollable, from_kernel(events), found.token, 0});
  }
}

// As large as all registrations could fill, at once, so that the next round serves them all.
void EpollPoller::grow_buffer() {
  const std::size_t wanted = std::min(registrations_.table().size(), kLargestBuffer);
  if (wanted > buffer_.size()) buffer_.resize(wanted);
}

void EpollPoller::check(Registration& socket) noexcept {
  if (socket.in_check || socket.paused) return;
  check_.push_back(registrations_.table().id_of(socket));
  socket.in_check = true;
}

void EpollPoller::check_unreliable_sockets() {
  if (detection_ == DrainDetection::kByScan) {
    check_all_sockets();
    return;
  }
  std::erase_if(flippers_, [this](RegistrationId id) {
    Registration* const found = registrations_.table().get(id);
    if (found != nullptr) check(*found);
    return found == nullptr;
  });
}

void EpollPoller::check_all_sockets() {
  if (registrations_.table().sockets() == 0) return;
  registrations_.table().for_each([this](Registration& each) {
    if (each.pollable.is_socket()) check(each);
  });
}

void EpollPoller::look_at_all() {
  registrations_.end_closed_descriptors();
  check_all_sockets();
}

void EpollPoller::look_around(TimePoint now) {
  looked_around_ = now;
  registrations_.table().for_some(kLookAroundAt, [this](Registration& each) {
    if (each.pollable.is_socket()) {
      check(each);
    } else if (!registrations_.is_intact(each)) {
      registrations_.end(registrations_.table().id_of(each), EBADF);
    }
  });
}

void EpollPoller::look_at_checked() {
  const CancellationHold hold;  // libzmq looks in the middle of its own work
  std::size_t kept = 0;
  for (const RegistrationId id : check_) {
    Registration* const found = registrations_.table().get(id);
    if (found == nullptr) continue;
    if (found->paused) {
      found->in_check = false;
      continue;
    }
    const SocketState state = read_socket_state(found->pollable.socket().handle());
    const Events events = state.events & found->interest;
    if (state.error != 0) {
      registrations_.end(id, state.error);
    } else if (any(events)) {
      ready_.push_back({found->pollable, events, found->token, 0});
      check_[kept++] = id;
    } else {
      found->in_check = false;
    }
  }
  check_.resize(kept);
}

}  // namespace zmqloop
