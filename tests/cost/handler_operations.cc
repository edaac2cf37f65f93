// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

#include "tests/cost/measured.h"
#include "tests/cost/operation.h"
#include "tests/cost/payload.h"
#include <zmq.hpp>

#include "zmqloop/runtime/loop/io_loop.h"

namespace zmqloop::cost {
namespace {

// Multiples of the 256 waits after which the poller verifies its descriptors once.
constexpr int kFewIterations = 256;
constexpr int kManyIterations = 1'024;
// Both fit into the poller's first buffer.
constexpr int kFewReady = 6;
constexpr int kManyReady = 14;

// An eventfd that is always ready.
class ReadyDescriptor {
 public:
  ReadyDescriptor() : fd_(::eventfd(1, EFD_CLOEXEC)) {
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  }
  ReadyDescriptor(const ReadyDescriptor&) = delete;
  ReadyDescriptor& operator=(const ReadyDescriptor&) = delete;
  ~ReadyDescriptor() { ::close(fd_); }
  Pollable pollable() { return fd_; }

 private:
  const int fd_;
};

// A socket with a message that nobody receives.
class ReadySocket {
 public:
  ReadySocket() : receiver_(context(), ZMQ_PULL), sender_(context(), ZMQ_PUSH) {
    static int made = 0;
    const std::string address = "inproc://" + std::to_string(++made);
    receiver_.bind(address);
    sender_.connect(address);
    sender_.send(zmq::message_t(), zmq::send_flags::none);
  }
  Pollable pollable() { return zmq::socket_ref(receiver_); }

 private:
  static zmq::context_t& context() {
    static zmq::context_t context(0);  // no I/O threads
    return context;
  }

  zmq::socket_t receiver_;
  zmq::socket_t sender_;
};

// Runs `iterations` iterations with `count` ready sources in each.
template <class Source>
void iterate(int count, int iterations) {
  std::deque<Source> sources(static_cast<std::size_t>(count));
  IOLoop loop(without_spinning());
  int calls = 0;
  const int all = count * iterations;
  for (Source& source : sources) {
    const auto handler = [&loop, &calls, all] {
      if (++calls == all) loop.stop();
    };
    loop.add_handler(source.pollable(), handler, IOLoop::kRead);
  }
  measured([&] { loop.start(); });
  require(static_cast<std::uint64_t>(calls), static_cast<std::uint64_t>(all));
}

// A ready descriptor, beside others of the same iteration.
void dispatch(int size) { iterate<ReadyDescriptor>(size, kFewIterations); }
// An iteration with one ready descriptor.
void dispatch_turn(int size) { iterate<ReadyDescriptor>(1, size); }
// The same with ZeroMQ sockets.
void socket_dispatch(int size) { iterate<ReadySocket>(size, kFewIterations); }
void socket_turn(int size) { iterate<ReadySocket>(1, size); }

constexpr Operation kOperations[] = {
    {"dispatch", kFewReady, kManyReady, kFewIterations, dispatch},
    {"dispatch_turn", kFewIterations, kManyIterations, 1, dispatch_turn},
    {"socket_dispatch", kFewReady, kManyReady, kFewIterations, socket_dispatch},
    {"socket_turn", kFewIterations, kManyIterations, 1, socket_turn},
};

}  // namespace

std::span<const Operation> handler_operations() { return kOperations; }

}  // namespace zmqloop::cost
