// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/message_flow.h"

#include <stdexcept>
#include <utility>

namespace zmqloop::bench {
namespace {

// The most messages that a handler receives before other handlers get their turn.
constexpr int kFairShare = 256;

constexpr int kOwnSockets = 16;

// A message of any other size counts as wrong.
bool is_right(const Message& message, int size, std::uint64_t number) {
  return size == static_cast<int>(sizeof message) && message.number == number &&
         message.complement == ~number;
}

}  // namespace

Inbox::Inbox(int sockets) : context_(1, sockets), pull_(context_, zmq::socket_type::pull) {
  watched_.push_back(pull_);
}

bool Inbox::receive(int flags) {
  Message message{};
  const int size = zmq_recv(pull_.handle(), &message, sizeof message, flags);
  if (size < 0) return false;
  if (!is_right(message, size, received_)) [[unlikely]]
    ++wrong_;
  ++received_;
  return true;
}

void Inbox::require_order() const {
  if (wrong_ != 0) throw std::runtime_error("messages were lost, damaged or out of order");
}

MessageStream::MessageStream(const std::string& address) : Inbox(kOwnSockets) {
  pull_.bind(address);
  address_ = pull_.get(zmq::sockopt::last_endpoint);
  sender_ = std::thread([this] { send(); });
}

MessageStream::~MessageStream() {
  stopped_ = true;
  // This also ends a sender that waits for room.
  context_.shutdown();
  sender_.join();
}

void MessageStream::send() {
  zmq::socket_t push(context_, zmq::socket_type::push);
  push.set(zmq::sockopt::linger, 0);
  push.connect(address_);
  for (std::uint64_t number = 0; !stopped_; ++number) {
    const Message message = Message::of(number);
    if (zmq_send(push.handle(), &message, sizeof message, 0) < 0) return;
  }
}

bool MessageStream::on_event(std::size_t) {
  for (int i = 0; i < kFairShare && receive(ZMQ_DONTWAIT); ++i) continue;
  return wants_more();
}

MessageEcho::MessageEcho(std::size_t idle, bool to_the_end, zmq::socket_type idle_type)
    : Inbox(kOwnSockets + static_cast<int>(idle)),
      to_the_end_(to_the_end),
      push_(context_, zmq::socket_type::push),
      silent_(context_, idle_type == zmq::socket_type::rep ? zmq::socket_type::dealer
                                                           : zmq::socket_type::push) {
  pull_.bind("inproc://echo");
  push_.connect("inproc://echo");
  silent_.bind("inproc://silence");
  for (std::size_t i = 0; i < idle; ++i) {
    zmq::socket_t& socket = idle_.emplace_back(context_, idle_type);
    socket.connect("inproc://silence");
    watched_.push_back(socket);
  }
  send();
}

void MessageEcho::send() {
  const Message message = Message::of(sent_++);
  zmq_send(push_.handle(), &message, sizeof message, 0);
}

bool MessageEcho::on_event(std::size_t) {
  if (!receive(ZMQ_DONTWAIT)) return true;
  if (to_the_end_) receive(ZMQ_DONTWAIT);
  send();
  return wants_more();
}

}  // namespace zmqloop::bench
