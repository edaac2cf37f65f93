// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A ZeroMQ server and its client, both served by one loop.

#include <cstdio>
#include <optional>
#include <string>

#include <zmq.hpp>

#include "zmqloop/zmqloop.h"

namespace {

constexpr int kRequests = 3;

zmq::socket_t make_socket(zmq::context_t& context, zmq::socket_type type) {
  zmq::socket_t socket(context, type);
  socket.set(zmq::sockopt::linger, 0);             // close() drops unsent messages
  socket.set(zmq::sockopt::maxmsgsize, 1L << 20);  // a peer cannot make us allocate more
  return socket;
}

// Readiness is only a hint: finding no message is not an error.
std::optional<std::string> receive(zmq::socket_t& socket) {
  zmq::message_t message;
  if (!socket.recv(message, zmq::recv_flags::dontwait)) return std::nullopt;
  return message.to_string();
}

}  // namespace

int main() {
  zmq::context_t context;
  zmq::socket_t server = make_socket(context, zmq::socket_type::rep);
  server.bind("tcp://127.0.0.1:*");  // any free port
  zmq::socket_t client = make_socket(context, zmq::socket_type::req);
  client.connect(server.get(zmq::sockopt::last_endpoint));

  zmqloop::IOLoop loop;
  const auto serve = [&] {
    if (const auto request = receive(server)) server.send(zmq::buffer("echo: " + *request));
  };
  int replies = 0;
  const auto ask = [&] { client.send(zmq::buffer("request " + std::to_string(replies + 1))); };
  const auto take_reply = [&] {
    const auto reply = receive(client);
    if (!reply) return;
    std::puts(reply->c_str());
    if (++replies == kRequests) return loop.stop();
    ask();
  };
  loop.add_handler(server, serve, zmqloop::IOLoop::kRead);
  loop.add_handler(client, take_reply, zmqloop::IOLoop::kRead);
  loop.add_callback(ask);
  loop.start();

  loop.remove_handler(client);  // before its socket is closed
  loop.remove_handler(server);
}
