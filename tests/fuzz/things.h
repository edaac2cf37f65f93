// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The eventfds and ZeroMQ sockets that a fuzzed loop waits for. Each knows whether it is readable.
//
// Threads: one.
// Errors: ends the process if an eventfd or socket fails.

#ifndef ZMQLOOP_TESTS_FUZZ_THINGS_H_
#define ZMQLOOP_TESTS_FUZZ_THINGS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/fuzz/promise.h"
#include <zmq.hpp>

#include "zmqloop/poller/pollable.h"

namespace zmqloop::fuzz {

class Thing {
 public:
  virtual ~Thing() = default;
  virtual bool is_open() const = 0;
  // A closed eventfd keeps its number; a closed socket returns an empty socket_ref.
  virtual Pollable pollable() = 0;
  virtual void open() = 0;
  virtual void close() = 0;
  // Notes that the loop has closed it.
  virtual void was_closed() = 0;
  // Whether it may be closed while a loop has it registered.
  virtual bool may_vanish() const = 0;

  bool is_readable() const { return waiting_ != 0; }
  void feed() {
    do_feed();
    ++waiting_;
  }
  // Takes everything that waits, so that it is no longer readable.
  void drain() {
    for (; waiting_ != 0; --waiting_) do_take();
  }

 protected:
  virtual void do_feed() = 0;
  virtual void do_take() = 0;
  void forget() { waiting_ = 0; }

 private:
  unsigned waiting_ = 0;
};

class EventThing : public Thing {
 public:
  EventThing() { open(); }
  EventThing(const EventThing&) = delete;
  EventThing& operator=(const EventThing&) = delete;
  ~EventThing() override {
    if (is_open_) close();
  }
  bool is_open() const override { return is_open_; }
  Pollable pollable() override { return fd_; }
  void open() override {
    fd_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC | EFD_SEMAPHORE);
    require(fd_ >= 0, "descriptors are to be had");
    is_open_ = true;
  }
  void close() override {
    ::close(fd_);
    was_closed();
  }
  void was_closed() override {
    is_open_ = false;
    forget();
  }
  bool may_vanish() const override { return true; }

 private:
  void do_feed() override { require(::eventfd_write(fd_, 1) == 0, "an eventfd can be written"); }
  void do_take() override {
    eventfd_t value;
    require(::eventfd_read(fd_, &value) == 0, "an eventfd holds what was written");
  }

  int fd_ = -1;
  bool is_open_ = false;
};

// The near end of a pair of sockets.
class SocketThing : public Thing {
 public:
  SocketThing() { open(); }
  bool is_open() const override { return near_ != nullptr; }
  Pollable pollable() override { return near_ ? Pollable(*near_) : Pollable(zmq::socket_ref()); }
  void open() override {
    static zmq::context_t context(/*io_threads=*/0);
    near_ = std::make_unique<zmq::socket_t>(context, zmq::socket_type::pair);
    far_ = std::make_unique<zmq::socket_t>(context, zmq::socket_type::pair);
    const std::string address = "inproc://" + std::to_string(++addresses_);
    near_->bind(address);
    far_->connect(address);
  }
  void close() override {
    near_.reset();
    far_.reset();
    forget();
  }
  void was_closed() override { close(); }
  // libzmq may already reuse the memory of a closed socket.
  bool may_vanish() const override { return false; }

 private:
  void do_feed() override {
    require(far_->send(zmq::str_buffer("x"), zmq::send_flags::dontwait).has_value(),
            "a socket takes a few messages");
  }
  void do_take() override {
    zmq::message_t message;
    require(near_->recv(message, zmq::recv_flags::dontwait).has_value(),
            "a socket holds what was sent");
  }

  static inline std::uint64_t addresses_ = 0;
  std::unique_ptr<zmq::socket_t> near_;
  std::unique_ptr<zmq::socket_t> far_;
};

}  // namespace zmqloop::fuzz

#endif  // ZMQLOOP_TESTS_FUZZ_THINGS_H_
