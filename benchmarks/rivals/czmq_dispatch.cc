// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// czmq's zloop as a contender: a reader on a PULL socket, and one PUSH socket connected to it for
// each thread that posts to the loop, since threads cannot share a socket.
//
// A callable travels by value, as a message. The reader takes all waiting messages; zloop's
// documentation leaves this choice to the reader, and one message per call is slower.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <czmq.h>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "benchmarks/contender.h"
#include "benchmarks/rivals/closure_queue.h"
#include "benchmarks/rivals/on_thread.h"

namespace zmqloop::bench {
namespace {

struct DestroySocket {
  void operator()(zsock_t* socket) const { zsock_destroy(&socket); }
};
using Socket = std::unique_ptr<zsock_t, DestroySocket>;

// Prepares the whole process; call it before the first socket.
void prepare_czmq() {
  static const bool prepared = [] {
    zsys_handler_set(nullptr);  // leave Ctrl-C to the program
    zsys_set_max_sockets(0);    // as many as libzmq allows
    return true;
  }();
  static_cast<void>(prepared);
}

Socket make_socket(int type, const std::string& endpoint, bool bind) {
  prepare_czmq();
  Socket socket(zsock_new(type));
  if (socket == nullptr) throw std::runtime_error("czmq: cannot make a socket");
  zsock_set_unbounded(socket.get());
  const int result = bind ? zsock_bind(socket.get(), "%s", endpoint.c_str())
                          : zsock_connect(socket.get(), "%s", endpoint.c_str());
  if (result < 0) throw std::runtime_error("czmq: cannot use " + endpoint);
  return socket;
}

class CzmqLoop {
 public:
  CzmqLoop()
      : id_(++last_id),
        endpoint_("inproc://czmq-loop-" + std::to_string(id_)),
        inbox_(make_socket(ZMQ_PULL, endpoint_, true)),
        loop_(zloop_new()) {
    zloop_reader(loop_, inbox_.get(), &CzmqLoop::on_messages, this);
  }
  ~CzmqLoop() {
    // Outlets of other threads end with their threads.
    std::erase_if(outlets, [this](const auto& outlet) { return outlet.first == id_; });
    zloop_destroy(&loop_);
  }

  void run() { zloop_start(loop_); }
  void stop() { stopped_ = true; }

  template <class F>
  void post(const F& f) {
    const InlineCallable callable(f);
    zmq_send(zsock_resolve(outlet()), &callable, sizeof(callable), 0);
  }

 private:
  static inline std::atomic<std::uint64_t> last_id{0};
  // The calling thread's sockets, keyed by the id of the loop they are connected to.
  static inline thread_local std::vector<std::pair<std::uint64_t, Socket>> outlets;

  zsock_t* outlet() {
    for (const auto& [id, socket] : outlets) {
      if (id == id_) return socket.get();
    }
    outlets.emplace_back(id_, make_socket(ZMQ_PUSH, endpoint_, false));
    return outlets.back().second.get();
  }

  static int on_messages(zloop_t* /*loop*/, zsock_t* inbox, void* self) {
    alignas(InlineCallable) std::array<unsigned char, sizeof(InlineCallable)> message;
    void* const socket = zsock_resolve(inbox);
    while (zmq_recv(socket, message.data(), message.size(), ZMQ_DONTWAIT) >= 0) {
      (*reinterpret_cast<InlineCallable*>(message.data()))();
    }
    return static_cast<CzmqLoop*>(self)->stopped_ ? -1 : 0;
  }

  const std::uint64_t id_;
  const std::string endpoint_;
  const Socket inbox_;
  zloop_t* loop_;
  bool stopped_ = false;  // the loop thread's only
};

const Registration kRegistration(make_contender<OnThread<CzmqLoop>>("czmq"));

}  // namespace
}  // namespace zmqloop::bench
