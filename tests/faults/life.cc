// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/faults/life.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <signal.h>
#include <sys/eventfd.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace zmqloop::faults {
namespace {

// In the order of Awaited.
constexpr std::array kNames = {"own post", "post of a post", "thread's post", "signal post",
                               "raise",    "signal",         "timer",         "descriptor",
                               "socket",   "executor",       "LoopThread",    "LoopPool"};
static_assert(kNames.size() == static_cast<unsigned>(Awaited::kLoopPool) + 1);

// State of the current life. Signal handlers read it too.
constinit std::atomic<unsigned> missing{0};  // one bit per Awaited
constinit std::atomic<IOLoop*> living{nullptr};
constinit std::atomic<std::uint64_t> signal_posts_accepted{0};
constinit std::atomic<std::uint64_t> signal_posts_run{0};

void require(bool kept, const std::string& promise) {
  if (!kept) throw Broken(promise);
}

void require_nothing_left(const CloseReport& report, const std::string& whose) {
  require(report == CloseReport{}, whose + " left something undone");
}

// Repeats a call to cppzmq until no signal interrupts it.
template <class Call>
auto uninterrupted(Call call) {
  for (;;) {
    try {
      return call();
    } catch (const zmq::error_t& error) {
      if (error.num() != EINTR) throw;
    }
  }
}

}  // namespace

// ---- the user's side ----

Event::Event() : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (fd_ < 0) throw std::system_error(errno, std::system_category(), "eventfd of the program");
}

Event::~Event() { ::close(fd_); }

void Event::set() {
  const std::uint64_t one = 1;
  while (::write(fd_, &one, sizeof one) < 0) {
    if (errno != EINTR) throw std::system_error(errno, std::system_category(), "write");
  }
}

Sockets::Sockets() {
  receiver_.bind("inproc://life");
  sender_.connect("inproc://life");
}

void Sockets::send_one() {
  const zmq::send_result_t sent = uninterrupted(
      [this] { return sender_.send(zmq::str_buffer("hello"), zmq::send_flags::dontwait); });
  require(sent.has_value(), "the user's socket is full");
}

bool Sockets::receive_one() {
  try {
    zmq::message_t message;
    return receiver_.recv(message, zmq::recv_flags::dontwait).has_value();
  } catch (const zmq::error_t& error) {
    if (error.num() != EINTR) throw;
    return false;
  }
}

void Sockets::drain() {
  zmq::message_t message;
  while (uninterrupted([&] { return receiver_.recv(message, zmq::recv_flags::dontwait); })) {
  }
}

// ---- the life ----

Life::Life(PollerKind poller, Sockets& sockets)
    : sockets_(sockets), options_{.poller = poller, .name = "life"}, loop_(options_) {
  sockets_.drain();
  missing = (1u << kNames.size()) - 1;
  signal_posts_accepted = 0;
  signal_posts_run = 0;
  living = &loop_;
}

Life::~Life() { living = nullptr; }

void Life::run() {
  require(loop_.run_sync([] { return 42; }) == 42, "run_sync returned something else");
  register_handlers();
  arm_timers();
  require(loop_.add_callback([this] {
    arrived(Awaited::kOwnPost);
    loop_.add_callback([this] { arrived(Awaited::kPostOfAPost); });
  }),
          "a post was refused");
  use_signals();
  LoopThread helper({.name = "helper", .loop = options_});
  LoopPool pool({.loops = 1, .pin = true, .name = "pool", .loop = options_});
  hand_work_to(helper, pool);
  try {
    run_with_poster();
  } catch (const LoopClosedError&) {
    // Another loop has ended early: join() throws the reason.
    helper.join();
    pool.join();
    throw;
  }
  require(missing == 0, "the loop stopped with something still awaited");
  helper.stop();
  pool.stop();
  require_nothing_left(helper.join(), "LoopThread");
  require_nothing_left(pool.join(), "LoopPool");
  end();
}

void Life::arrived(Awaited what) {
  const unsigned bit = 1u << static_cast<unsigned>(what);
  require((missing.fetch_and(~bit) & bit) != 0,
          std::string("twice: ") + kNames[static_cast<unsigned>(what)]);
  if (missing == 0) loop_.stop();
}

void Life::register_handlers() {
  const auto on_event = [this](Pollable event, Events) {
    loop_.remove_handler(event);
    arrived(Awaited::kDescriptor);
  };
  const auto on_message = [this] {
    if (sockets_.receive_one()) arrived(Awaited::kSocket);
  };
  loop_.add_handler(event_.fd(), on_event, IOLoop::kRead);
  loop_.add_handler(sockets_.receiver(), on_message, IOLoop::kRead);
}

void Life::arm_timers() {
  loop_.call_later(std::chrono::milliseconds(1), [this] {
    sockets_.send_one();
    arrived(Awaited::kTimer);
  });
  const TimeoutHandle cancelled = loop_.call_later(std::chrono::milliseconds(2),
                                                   [] { throw Broken("a cancelled timer fired"); });
  loop_.remove_timeout(cancelled);
}

void Life::use_signals() {
  require(loop_.add_callback_from_signal([this] { arrived(Awaited::kSignalPost); }),
          "a signal post was refused");
  prepared_.emplace(loop_.prepare_signal_callback([this] { arrived(Awaited::kRaise); }));
  require(prepared_->raise(), "a raise was refused");
  loop_.add_signal_handler(SIGUSR2, [this] { arrived(Awaited::kSignal); });
  ::raise(SIGUSR2);
}

void Life::hand_work_to(LoopThread& helper, LoopPool& pool) {
  const auto expect = [this](int wanted, Awaited what) {
    return [this, wanted, what](Future<int> ready) {
      require(ready.get() == wanted, "a result got lost");
      arrived(what);
    };
  };
  loop_.add_future(helper.loop().submit([] { return 1; }), expect(1, Awaited::kLoopThread));
  loop_.add_future(pool.submit([] { return 2; }), expect(2, Awaited::kLoopPool));
  loop_.add_future(loop_.run_in_executor(pool, [] { return 3; }), expect(3, Awaited::kExecutor));
}

void Life::run_with_poster() {
  std::exception_ptr failure;
  {
    const std::jthread poster([&] { post_from_thread(failure); });
    loop_.start();
  }
  if (failure) std::rethrow_exception(failure);
}

void Life::post_from_thread(std::exception_ptr& failure) {
  try {
    require(loop_.add_callback([this] { arrived(Awaited::kThreadsPost); }), "a post was refused");
    event_.set();
  } catch (...) {
    failure = std::current_exception();
    loop_.stop();
  }
}

void Life::end() {
  living = nullptr;
  prepared_.reset();
  const CloseReport report = loop_.close();
  require(!loop_.add_callback([] {}), "a closed loop accepted a post");
  require(report.timers_abandoned == 0, "timers were left");
  require(report.handlers_removed == 1, "a handler got lost");  // the socket's
  require(signal_posts_accepted == signal_posts_run + report.callbacks_abandoned,
          "posts of signal handlers got lost");
  const LoopStats stats = loop_.stats();
  require(stats.timers_fired == 1, "timers were miscounted");
  require(stats.callback_exceptions == 0, "exceptions were counted, but none was thrown");
}

// ---- signal handler ----

void Life::post_from_signal() noexcept {
  IOLoop* const loop = living.load();
  if (loop == nullptr) return;
  if (loop->add_callback_from_signal([] { ++signal_posts_run; })) ++signal_posts_accepted;
}

void Life::for_each_awaited(void (*tell)(const char* name)) noexcept {
  for (unsigned i = 0; i < kNames.size(); ++i) {
    if ((missing & (1u << i)) != 0) tell(kNames[i]);
  }
}

}  // namespace zmqloop::faults
