// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// libevent as a contender: callables in a locked queue, and event_active() on one event if the
// queue was empty.

#include <stdexcept>

#include "benchmarks/contender.h"
#include "benchmarks/rivals/closure_queue.h"
#include "benchmarks/rivals/on_thread.h"
#include <event2/event.h>
#include <event2/thread.h>

namespace zmqloop::bench {
namespace {

// Without evthread_use_pthreads() a base has no lock, and other threads cannot wake it.
event_base* make_base() {
  static const int prepared = evthread_use_pthreads();
  event_base* const base = prepared == 0 ? event_base_new() : nullptr;
  if (base == nullptr) throw std::runtime_error("libevent: cannot make an event_base");
  return base;
}

class LibeventLoop {
 public:
  LibeventLoop() : base_(make_base()), event_(event_new(base_, -1, 0, &on_event, this)) {
    if (event_ == nullptr) throw std::runtime_error("libevent: cannot make an event");
  }
  ~LibeventLoop() {
    event_free(event_);
    event_base_free(base_);
  }

  void run() { event_base_loop(base_, EVLOOP_NO_EXIT_ON_EMPTY); }
  void stop() { event_base_loopbreak(base_); }

  template <class F>
  void post(const F& f) {
    if (queue_.push(f)) event_active(event_, EV_READ, 0);
  }

 private:
  static void on_event(evutil_socket_t /*none*/, short /*events*/, void* self) {
    static_cast<LibeventLoop*>(self)->queue_.run_all();
  }

  event_base* const base_;
  event* const event_;
  FunctionQueue queue_;
};

const Registration kRegistration(make_contender<OnThread<LibeventLoop>>("libevent"));

}  // namespace
}  // namespace zmqloop::bench
