// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/doorbell_sockets.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <mutex>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <zmq.hpp>

#include "zmqloop/poller/runtime_context.h"
#include "zmqloop/threading/host/cancellation_hold.h"
#include "zmqloop/threading/host/clock.h"
#include "zmqloop/threading/host/per_process.h"

namespace zmqloop {
namespace {

// One for each socket, and two more for descriptors that other threads open meanwhile.
constexpr int kDescriptorsOfAPair = 4;

// Closed sockets hold their descriptors and places in the context until a libzmq thread releases
// them, one by one. That thread may have to wait for a core. If we lack one, and a socket was
// closed within kMayBePending, we try again: for kPatience after the last socket was closed or seen
// to come free, and at least kFewestLooks times, because a throttled process may get nowhere in two
// seconds.
constexpr Duration kMayBePending = std::chrono::seconds(10);
constexpr Duration kPatience = std::chrono::seconds(2);
constexpr int kFewestLooks = 200;
constexpr Duration kBetweenLooks = std::chrono::milliseconds(1);
std::atomic<Duration::rep> last_closing{0};

void closing_seen() { last_closing = Clock::now().time_since_epoch().count(); }

Duration since_last_closing() { return Clock::now() - TimePoint(Duration(last_closing)); }

// Returns a name that cannot be guessed: inproc names are no access control, and code that knew the
// name could bind it first. The counter alone makes it unique within the process, the pid across
// forks.
std::string unguessable_address() {
  static std::atomic<std::uint64_t> counter{0};
  std::random_device random;
  char text[128];
  std::snprintf(text, sizeof text, "inproc://zmqloop-waker-%ld-%" PRIu64 "-%08x%08x%08x%08x",
                static_cast<long>(getpid()), counter.fetch_add(1), random(), random(), random(),
                random());
  return text;
}

// Sets HWM 0 on both ends, before bind and connect: with any other value a ring can be refused
// (EAGAIN) while the receiver sleeps on an empty pipe. Sets linger 0, so closing never waits.
void set_doorbell_options(zmq::socket_ref socket) {
  socket.set(zmq::sockopt::sndhwm, 0);
  socket.set(zmq::sockopt::rcvhwm, 0);
  socket.set(zmq::sockopt::linger, 0);
}

// Calls a libzmq function, again after each EINTR: a signal may interrupt it before it has done
// anything, even though it does not wait.
template <class Call>
void uninterrupted(const char* name, Call call) {
  while (call() != 0) {
    if (zmq_errno() == EINTR) continue;
    throw std::system_error(zmq_errno(), std::system_category(),
                            std::string(name) + " for a loop's waker");
  }
}

zmq::socket_ref reference(void* handle) { return zmq::socket_ref(zmq::from_handle, handle); }

}  // namespace

// The mutex is also the barrier between the owners of a pair.
struct DoorbellSockets::Spares {
  std::mutex mutex;
  std::vector<DoorbellSockets> pairs;
};

DoorbellSockets::Spares& DoorbellSockets::spares() {
  static constinit PerProcess<Spares> spares;
  return spares.get([] {
    auto made = std::make_unique<Spares>();
    made->pairs.reserve(kMostSpares);
    return made;
  });
}

DoorbellSockets DoorbellSockets::acquire(DescriptorLimit limit) {
  const CancellationHold hold;  // libzmq must not be left in the middle of making sockets
  Spares& spare = spares();
  {
    const std::lock_guard lock(spare.mutex);
    if (!spare.pairs.empty()) {
      DoorbellSockets pair = std::move(spare.pairs.back());
      spare.pairs.pop_back();
      return pair;
    }
  }
  return DoorbellSockets(limit);
}

void DoorbellSockets::retire(DoorbellSockets pair) noexcept {
  pair.drain();
  Spares& spare = spares();  // made by acquire()
  {
    const std::lock_guard lock(spare.mutex);
    if (spare.pairs.size() < kMostSpares) {
      spare.pairs.push_back(std::move(pair));
      return;
    }
  }
  closing_seen();
}

DoorbellSockets::SocketHandle DoorbellSockets::make_socket(int type, DescriptorLimit limit) {
  const bool may_come_free = since_last_closing() < kMayBePending;
  for (int looks = 0;; ++looks) {
    try {
      SocketHandle socket = try_make_socket(type, limit);
      if (looks > 0) closing_seen();
      return socket;
    } catch (const std::system_error& error) {
      if (error.code().value() != EMFILE || !may_come_free) throw;
      if (looks >= kFewestLooks && since_last_closing() >= kPatience) throw;
    }
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

DoorbellSockets::SocketHandle DoorbellSockets::try_make_socket(int type, DescriptorLimit limit) {
  zmq::context_t& context = runtime_context(limit);
  require_free_descriptors(kDescriptorsOfAPair, "creating a loop's waker", limit);
  SocketHandle socket(zmq_socket(context.handle(), type));
  if (socket == nullptr) {
    throw std::system_error(zmq_errno(), std::system_category(),
                            "zmq_socket for a loop's waker: close loops that are not needed; the "
                            "runtime context takes " +
                                std::to_string(kRuntimeContextSockets) + " sockets, two for each");
  }
  set_doorbell_options(reference(socket.get()));
  return socket;
}

DoorbellSockets::DoorbellSockets(DescriptorLimit limit)
    : receiver_(make_socket(ZMQ_PULL, limit)), sender_(make_socket(ZMQ_PUSH, limit)) {
  const std::string address = unguessable_address();
  uninterrupted("zmq_bind", [&] { return zmq_bind(receiver_.get(), address.c_str()); });
  uninterrupted("zmq_connect", [&] { return zmq_connect(sender_.get(), address.c_str()); });
  fd_ = reference(receiver_.get()).get(zmq::sockopt::fd);
  // A new pipe raises no signal until its reader has found it empty once: without this drain, a
  // ring before the first drain() would be lost.
  drain();
}

bool DoorbellSockets::ring() noexcept {
  int sent = -1;
  do {
    sent = zmq_send(sender_.get(), "", 0, ZMQ_DONTWAIT);
  } while (sent < 0 && zmq_errno() == EINTR);
  return sent >= 0;
}

void DoorbellSockets::drain() noexcept {
  // Always reads to EAGAIN: the next ring raises a signal only if the pipe was found empty.
  char nothing;
  int received = 0;
  while (received >= 0 || zmq_errno() == EINTR) {
    received = zmq_recv(receiver_.get(), &nothing, sizeof nothing, ZMQ_DONTWAIT);
  }
}

void DoorbellSockets::leak() noexcept {
  static_cast<void>(receiver_.release());
  static_cast<void>(sender_.release());
}

}  // namespace zmqloop
