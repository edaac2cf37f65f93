// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Messages from a PUSH to a PULL socket: the work of a socket's handler in `zmq_dispatch`.
//
// Every message is 16 bytes, its number and the number's complement, so that we notice a lost,
// damaged or reordered message. Socket calls are libzmq's own, the same for every contender.
//
// Threads: one, except for the sender of MessageStream.
// Owns: the context and the sockets.
// Errors: zmq::error_t from making sockets; std::runtime_error from require_order().
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_MESSAGE_FLOW_H_
#define ZMQLOOP_BENCHMARKS_MESSAGE_FLOW_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "benchmarks/event_sink.h"
#include <zmq.hpp>

namespace zmqloop::bench {

struct Message {
  std::uint64_t number;
  std::uint64_t complement;

  static Message of(std::uint64_t number) { return {number, ~number}; }
};

// The receiving end: checks and counts the messages.
class Inbox : public EventSink {
 public:
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  // The sockets that a contender watches for reading. It calls on_event(i) when the i-th is ready.
  const std::vector<zmq::socket_ref>& watched() const { return watched_; }

  // Begins a round: on_event() returns false once `messages` more have arrived.
  void begin_round(std::uint64_t messages) { end_at_ = received_ + messages; }
  std::uint64_t received() const { return received_; }
  // Throws if a message was lost, damaged or out of order.
  void require_order() const;

  // Receives one message. Returns false if there is none and the flag is ZMQ_DONTWAIT.
  bool receive(int flags);
  // Returns whether the round goes on.
  bool wants_more() const { return received_ < end_at_; }

 protected:
  explicit Inbox(int sockets);
  ~Inbox() = default;

  zmq::context_t context_;
  zmq::socket_t pull_;
  std::vector<zmq::socket_ref> watched_;

 private:
  std::uint64_t received_ = 0;
  std::uint64_t end_at_ = 0;
  std::uint64_t wrong_ = 0;
};

// A thread that sends as fast as the high-water marks let it.
class MessageStream final : public Inbox {
 public:
  // `address`: "inproc://…", or "tcp://127.0.0.1:*".
  explicit MessageStream(const std::string& address);
  ~MessageStream();

  // Receives the waiting messages, but no more than a fair share.
  bool on_event(std::size_t socket) override;

 private:
  void send();

  std::string address_;
  std::atomic<bool> stopped_{false};
  std::thread sender_;  // last: it uses the other members
};

// One message at a time: the handler that receives it sends the next one. Beside it there are idle
// sockets, which never receive any.
class MessageEcho final : public Inbox {
 public:
  // `to_the_end`: the handler receives until no message is left, then sends the next one, so the
  // socket has to signal that one. The idle sockets have type `idle_type`, PULL or REP.
  MessageEcho(std::size_t idle, bool to_the_end,
              zmq::socket_type idle_type = zmq::socket_type::pull);
  ~MessageEcho() = default;

  bool on_event(std::size_t socket) override;

 private:
  void send();

  const bool to_the_end_;
  std::uint64_t sent_ = 0;
  zmq::socket_t push_;
  zmq::socket_t silent_;  // the peer of the idle sockets
  std::vector<zmq::socket_t> idle_;
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_MESSAGE_FLOW_H_
