#include "zmqloop/poller/waker.h"

#include <cerrno>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <unistd.h>

#include <zmq.hpp>

#include "zmqloop/poller/clock.h"
#include "zmqloop/poller/descriptor_preflight.h"
#include "zmqloop/poller/process_generation.h"
#include "zmqloop/poller/runtime_context.h"

namespace zmqloop {
namespace {

// One for each socket, and as many for what other threads open meanwhile.
constexpr int kDescriptorsOfAWaker = 4;

// libzmq closes sockets on a thread of its own, which may be behind when many loops have just gone:
// they hold their descriptors and places in the context until then.
constexpr Duration kPatienceWithClosings = std::chrono::milliseconds(200);
constexpr Duration kBetweenLooks = std::chrono::milliseconds(1);
std::atomic<Duration::rep> last_closing{0};

bool closings_may_be_pending() {
  return Clock::now() - TimePoint(Duration(last_closing)) < kPatienceWithClosings;
}

// A name nobody can guess: names are not access control, and whoever knew it could bind it first.
// The counter alone makes it unique within the process, the pid across forks.
std::string unguessable_address() {
  static std::atomic<std::uint64_t> counter{0};
  std::random_device random;
  char text[128];
  std::snprintf(text, sizeof text, "inproc://zmqloop-waker-%ld-%" PRIu64 "-%08x%08x%08x%08x",
                static_cast<long>(getpid()), counter.fetch_add(1), random(), random(), random(),
                random());
  return text;
}

// HWM 0 on both ends, before bind and connect: with any other a ring can be refused (EAGAIN) while
// the receiver sleeps on an empty pipe. Linger 0: closing never waits.
void set_doorbell_options(zmq::socket_ref socket) {
  socket.set(zmq::sockopt::sndhwm, 0);
  socket.set(zmq::sockopt::rcvhwm, 0);
  socket.set(zmq::sockopt::linger, 0);
}

zmq::socket_ref reference(void* handle) { return zmq::socket_ref(zmq::from_handle, handle); }

}  // namespace

Waker::SocketHandle Waker::make_socket(int type) {
  for (;;) {
    try {
      return try_make_socket(type);
    } catch (const std::system_error& error) {
      if (error.code().value() != EMFILE || !closings_may_be_pending()) throw;
    }
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

Waker::SocketHandle Waker::try_make_socket(int type) {
  zmq::context_t& context = runtime_context();
  require_free_descriptors(kDescriptorsOfAWaker, "creating a loop's waker");
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

Waker::Waker()
    : generation_(process_generation()),
      receiver_(make_socket(ZMQ_PULL)),
      sender_(make_socket(ZMQ_PUSH)) {
  const std::string address = unguessable_address();
  reference(receiver_.get()).bind(address);
  reference(sender_.get()).connect(address);
  fd_ = reference(receiver_.get()).get(zmq::sockopt::fd);
  // A new pipe raises no signal until its reader has found it empty once: without this look, a ring
  // before the first drain would be lost.
  drain();
}

Waker::~Waker() {
  if (in_forked_child()) {
    // Leaked on purpose: zmq_close would write to the parent's reaper. They stay reachable from the
    // parent's context. Without the mutex: see wake().
    static_cast<void>(receiver_.release());
    static_cast<void>(sender_.release());
  } else {
    close();
  }
}

bool Waker::in_forked_child() const noexcept { return process_generation() != generation_; }

void Waker::wake() noexcept {
  // Before the mutex: the parent's other threads may have held it when they vanished in the fork.
  if (in_forked_child()) return;
  const std::lock_guard lock(mutex_);
  if (sender_ == nullptr) return;
  int sent = -1;
  do {
    sent = zmq_send(sender_.get(), "", 0, ZMQ_DONTWAIT);
  } while (sent < 0 && zmq_errno() == EINTR);
  // ETERM is all that is left: the runtime context is being shut down, and the loop with it.
  if (sent >= 0) rings_.fetch_add(1);
}

void Waker::drain() noexcept {
  if (in_forked_child() || receiver_ == nullptr) return;
  // To EAGAIN, always: finding the pipe empty is what makes the next ring raise a signal.
  char nothing;
  int received = 0;
  while (received >= 0 || zmq_errno() == EINTR) {
    received = zmq_recv(receiver_.get(), &nothing, sizeof nothing, ZMQ_DONTWAIT);
  }
}

void Waker::close() noexcept {
  if (in_forked_child()) return;
  {
    const std::lock_guard lock(mutex_);
    sender_.reset();
  }
  receiver_.reset();
  last_closing = Clock::now().time_since_epoch().count();
  fd_ = -1;
}

}  // namespace zmqloop
