// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// czmq's zloop with ZeroMQ sockets: a poller for each. zloop calls zmq_poll inside.

#include <cstddef>
#include <czmq.h>
#include <vector>

#include "benchmarks/zmq_rows.h"

namespace zmqloop::bench {
namespace {

class CzmqSockets {
 public:
  explicit CzmqSockets(Inbox& inbox)
      : inbox_(inbox), loop_(zloop_new()), sources_(inbox.watched().size()) {
    zloop_set_nonstop(loop_, true);  // leaves signals to the program
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      sources_[i] = {this, i};
      zmq::socket_ref socket = inbox.watched()[i];
      zmq_pollitem_t item{socket.handle(), 0, ZMQ_POLLIN, 0};
      zloop_poller(loop_, &item, &CzmqSockets::on_readable, &sources_[i]);
    }
  }
  CzmqSockets(const CzmqSockets&) = delete;
  CzmqSockets& operator=(const CzmqSockets&) = delete;
  ~CzmqSockets() { zloop_destroy(&loop_); }

  void run() { zloop_start(loop_); }

 private:
  struct Source {
    CzmqSockets* owner;
    std::size_t number;
  };

  static int on_readable(zloop_t*, zmq_pollitem_t*, void* ready) {
    const Source& source = *static_cast<Source*>(ready);
    return source.owner->inbox_.on_event(source.number) ? 0 : -1;
  }

  Inbox& inbox_;
  zloop_t* loop_;
  std::vector<Source> sources_;
};

const RowRegistration kRegistration(zmq_rows<CzmqSockets>("czmq"));

}  // namespace
}  // namespace zmqloop::bench
