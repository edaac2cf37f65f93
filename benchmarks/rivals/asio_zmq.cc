// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// asio with ZeroMQ sockets, as azmq does it: a stream_descriptor for each ZMQ_FD. Before each wait
// it asks ZMQ_EVENTS, since ZMQ_FD signals only changes.

#include <cstddef>
#include <vector>

#include "benchmarks/zmq_rows.h"
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>

namespace zmqloop::bench {
namespace {

class AsioSockets {
 public:
  explicit AsioSockets(Inbox& inbox) : inbox_(inbox) {
    descriptors_.reserve(inbox.watched().size());
    for (const zmq::socket_ref socket : inbox.watched()) {
      descriptors_.emplace_back(context_, socket.get(zmq::sockopt::fd));
    }
    for (std::size_t i = 0; i < descriptors_.size(); ++i) look(i);
  }
  AsioSockets(const AsioSockets&) = delete;
  AsioSockets& operator=(const AsioSockets&) = delete;
  ~AsioSockets() {
    // libzmq closes the descriptors.
    for (asio::posix::stream_descriptor& descriptor : descriptors_) descriptor.release();
  }

  void run() {
    context_.restart();
    context_.run();
  }

 private:
  bool is_readable(std::size_t i) {
    return (inbox_.watched()[i].get(zmq::sockopt::events) & ZMQ_POLLIN) != 0;
  }
  // Calls the socket's handler in the context's next turn if the socket is readable, else once the
  // descriptor signals.
  void look(std::size_t i) {
    if (is_readable(i)) {
      asio::post(context_, [this, i] { handle(i); });
      return;
    }
    descriptors_[i].async_wait(asio::posix::stream_descriptor::wait_read,
                               [this, i](const asio::error_code& error) {
                                 if (error) return;
                                 is_readable(i) ? handle(i) : look(i);
                               });
  }
  void handle(std::size_t i) {
    if (!inbox_.on_event(i)) context_.stop();
    look(i);
  }

  Inbox& inbox_;
  asio::io_context context_{1};
  std::vector<asio::posix::stream_descriptor> descriptors_;
};

const RowRegistration kRegistration(zmq_rows<AsioSockets>("asio"));

}  // namespace
}  // namespace zmqloop::bench
