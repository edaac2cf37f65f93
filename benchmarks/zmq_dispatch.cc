// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// How many ZeroMQ messages per second can a socket's handler on a loop receive?
//
// W8 of docs/performance.md. The floors: zmq_recv in a loop, and zmq_poll in a loop.

#include <cstddef>
#include <vector>
#include <zmq.h>

#include "benchmarks/zmq_rows.h"

#include "zmqloop/runtime/loop/io_loop.h"

namespace zmqloop::bench {
namespace {

class ZmqloopSockets {
 public:
  explicit ZmqloopSockets(Inbox& inbox) {
    for (std::size_t i = 0; i < inbox.watched().size(); ++i) {
      const auto handler = [this, &inbox, i] {
        if (!inbox.on_event(i)) loop_.stop();
      };
      loop_.add_handler(inbox.watched()[i], handler, IOLoop::kRead);
    }
  }
  void run() { loop_.start(); }

 private:
  IOLoop loop_;
};

class BareReceive {
 public:
  explicit BareReceive(Inbox& inbox) : inbox_(inbox) {}
  void run() {
    while (inbox_.wants_more()) inbox_.receive(0);
  }

 private:
  Inbox& inbox_;
};

class BarePoll {
 public:
  explicit BarePoll(Inbox& inbox) : inbox_(inbox) {
    for (zmq::socket_ref socket : inbox.watched()) {
      items_.push_back({socket.handle(), 0, ZMQ_POLLIN, 0});
    }
  }
  void run() {
    for (bool more = true; more;) {
      zmq_poll(items_.data(), static_cast<int>(items_.size()), -1);
      for (std::size_t i = 0; i < items_.size(); ++i) {
        if ((items_[i].revents & ZMQ_POLLIN) != 0) more = inbox_.on_event(i);
      }
    }
  }

 private:
  Inbox& inbox_;
  std::vector<zmq_pollitem_t> items_;
};

std::vector<Row> rows() {
  std::vector<Row> all = zmq_rows<ZmqloopSockets>("zmqloop");
  for (Row& row : stream_rows<BareReceive>("floor-recv")) all.push_back(row);
  for (Row& row : echo_rows<BarePoll>("floor-poll")) all.push_back(row);
  return all;
}

}  // namespace
}  // namespace zmqloop::bench

int main(int argc, char** argv) {
  return zmqloop::bench::run_rows(argc, argv, zmqloop::bench::rows());
}
