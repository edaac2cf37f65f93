// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Fixtures for tests of descriptors and sockets: owned descriptors, connected sockets, child
// processes, and a wait that fails instead of hanging.

#ifndef ZMQLOOP_TESTS_SUPPORT_ZMQ_FIXTURE_H_
#define ZMQLOOP_TESTS_SUPPORT_ZMQ_FIXTURE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <zmq.hpp>

#include "zmqloop/poller/poller_interface.h"

namespace zmqloop::testing {

// A descriptor that is closed at the end of the test.
class OwnedFd {
 public:
  OwnedFd() = default;
  explicit OwnedFd(int fd) : fd_(fd) { EXPECT_GE(fd, 0) << "a test ran out of descriptors"; }
  OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~OwnedFd() { close(); }

  int get() const { return fd_; }
  int fileno() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

// An eventfd: readable once rung, always writable.
inline OwnedFd make_event(bool readable = false) {
  return OwnedFd(eventfd(readable ? 1 : 0, EFD_NONBLOCK | EFD_CLOEXEC));
}

inline void ring(const OwnedFd& event) { EXPECT_EQ(eventfd_write(event.get(), 1), 0); }

// Two connected stream sockets of the kernel.
inline std::pair<OwnedFd, OwnedFd> make_stream() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
  return {OwnedFd(ends[0]), OwnedFd(ends[1])};
}

// Two connected sockets of a context, the first one bound, by default over inproc.
struct SocketPair {
  SocketPair(zmq::context_t& context, zmq::socket_type bound, zmq::socket_type connected,
             const std::string& address = "")
      : near(context, bound), far(context, connected) {
    for (zmq::socket_t* each : {&near, &far}) each->set(zmq::sockopt::linger, 0);
    near.bind(address.empty() ? unused_address() : address);
    far.connect(near.get(zmq::sockopt::last_endpoint));
  }

  static std::string unused_address() {
    static int count = 0;
    return "inproc://fixture-" + std::to_string(++count);
  }

  zmq::socket_t near;
  zmq::socket_t far;
};

inline constexpr const char* kLoopbackTcp = "tcp://127.0.0.1:*";

inline void send(zmq::socket_ref socket, const std::string& text,
                 zmq::send_flags flags = zmq::send_flags::dontwait) {
  EXPECT_TRUE(socket.send(zmq::buffer(text), flags)) << "EAGAIN";
}

// Returns the next message, or nothing if there is none.
inline std::optional<std::string> receive(zmq::socket_ref socket) {
  zmq::message_t message;
  if (!socket.recv(message, zmq::recv_flags::dontwait)) return std::nullopt;
  return message.to_string();
}

// Returns the registrations that are ready right now.
inline std::vector<Ready> poll_now(Poller& poller) {
  const auto ready = poller.wait(Duration::zero());
  return {ready.begin(), ready.end()};
}

// Waits until something is ready, and ignores spurious returns. After five seconds without any
// progress the test has hung: it fails, and the result is empty.
inline std::vector<Ready> wait_for_any(Poller& poller) {
  const TimePoint give_up = Clock::now() + std::chrono::seconds(5);
  while (Clock::now() < give_up) {
    const auto ready = poller.wait(std::chrono::seconds(1));
    if (!ready.empty()) return {ready.begin(), ready.end()};
  }
  ADD_FAILURE() << "nothing became ready in 5 s";
  return {};
}

// Returns the events of a token in `ready`.
inline Events events_of(const std::vector<Ready>& ready, std::uint64_t token) {
  Events events = Events::kNone;
  for (const Ready& each : ready) {
    if (each.token == token) events |= each.events;
  }
  return events;
}

// Runs `body` in a forked child that exits with its result, and returns that; -1 if a signal ended
// the child. An escaping exception ends it by a signal, too: otherwise the child would go on with
// this process's tests.
template <class F>
int exit_code_of_child(F&& body) {
  const pid_t child = fork();
  if (child == 0) _exit([&]() noexcept { return body(); }());
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace zmqloop::testing

#endif  // ZMQLOOP_TESTS_SUPPORT_ZMQ_FIXTURE_H_
