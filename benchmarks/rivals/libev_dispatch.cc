// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// libev as a contender: callables in a locked queue, and ev_async_send() if the queue was empty.

#include <ev.h>
#include <stdexcept>

#include "benchmarks/contender.h"
#include "benchmarks/rivals/closure_queue.h"
#include "benchmarks/rivals/on_thread.h"

namespace zmqloop::bench {
namespace {

class LibevLoop {
 public:
  LibevLoop() : loop_(ev_loop_new(EVFLAG_AUTO)) {
    if (loop_ == nullptr) throw std::runtime_error("libev: cannot make a loop");
    ev_async_init(&async_, &LibevLoop::on_async);
    async_.data = this;
    ev_async_start(loop_, &async_);
  }
  ~LibevLoop() {
    ev_async_stop(loop_, &async_);
    ev_loop_destroy(loop_);
  }

  void run() { ev_run(loop_, 0); }
  void stop() { ev_break(loop_, EVBREAK_ALL); }

  template <class F>
  void post(const F& f) {
    if (queue_.push(f)) ev_async_send(loop_, &async_);
  }

 private:
  static void on_async(struct ev_loop* /*loop*/, ev_async* async, int /*events*/) {
    static_cast<LibevLoop*>(async->data)->queue_.run_all();
  }

  struct ev_loop* const loop_;
  ev_async async_;
  FunctionQueue queue_;
};

const Registration kRegistration(make_contender<OnThread<LibevLoop>>("libev"));

}  // namespace
}  // namespace zmqloop::bench
