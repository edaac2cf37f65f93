// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// libuv as a contender: callables in a locked queue, and uv_async_send(), the only function that
// other threads may call.
//
// libuv coalesces sends by itself; sending only if the queue was empty was measured to be slower.
// "libuv-inline" is the same with a hand-written callable that, unlike std::function, does not
// allocate.

#include <stdexcept>
#include <string>
#include <uv.h>

#include "benchmarks/contender.h"
#include "benchmarks/rivals/closure_queue.h"
#include "benchmarks/rivals/on_thread.h"

namespace zmqloop::bench {
namespace {

void check(int result, const char* operation) {
  if (result == 0) return;
  throw std::runtime_error(std::string(operation) + ": " + uv_strerror(result));
}

template <class Queue>
class LibuvLoop {
 public:
  LibuvLoop() {
    check(uv_loop_init(&loop_), "uv_loop_init");
    check(uv_async_init(&loop_, &async_, &LibuvLoop::on_async), "uv_async_init");
    async_.data = this;
  }
  ~LibuvLoop() {
    uv_close(reinterpret_cast<uv_handle_t*>(&async_), nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);  // closes the handle
    uv_loop_close(&loop_);
  }

  void run() { uv_run(&loop_, UV_RUN_DEFAULT); }
  void stop() { uv_stop(&loop_); }

  template <class F>
  void post(const F& f) {
    queue_.push(f);
    uv_async_send(&async_);
  }

 private:
  static void on_async(uv_async_t* async) {
    static_cast<LibuvLoop*>(async->data)->queue_.run_all();
  }

  uv_loop_t loop_;
  uv_async_t async_;
  Queue queue_;
};

const Registration kRegistration(make_contender<OnThread<LibuvLoop<FunctionQueue>>>("libuv"));
const Registration kInline(make_contender<OnThread<LibuvLoop<InlineQueue>>>("libuv-inline"));

}  // namespace
}  // namespace zmqloop::bench
