// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// asio as a contender: an io_context run by one thread, and asio::post().
//
// Concurrency hint 1 tells asio that one thread runs the context, so that thread's own posts skip
// the lock and the wake-up; other threads may still post. Two variants take part where they are the
// fastest that asio can do:
//
//   asio-polling  never sleeps, but polls all the time. In W4.
//   asio-unsafe   takes no locks: no other thread may post. In W5, where none does.

#include <semaphore>

#include "benchmarks/contender.h"
#include "benchmarks/rivals/on_thread.h"
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

namespace zmqloop::bench {
namespace {

class AsioLoop {
 public:
  explicit AsioLoop(int concurrency_hint = 1) : context_(concurrency_hint) {}

  void run() { context_.run(); }
  void stop() { context_.stop(); }

  template <class F>
  void post(const F& f) {
    asio::post(context_, f);
  }

 protected:
  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_ =
      asio::make_work_guard(context_);
};

class AsioPollingLoop : public AsioLoop {
 public:
  void run() {
    while (!context_.stopped()) context_.poll();
  }
};

class AsioUnsafeLoop : public AsioLoop {
 public:
  AsioUnsafeLoop() : AsioLoop(ASIO_CONCURRENCY_HINT_UNSAFE) {}

  // Waits for the first post, the only one by another thread, before it runs.
  void run() {
    first_post_.acquire();
    context_.run();
  }

  template <class F>
  void post(const F& f) {
    AsioLoop::post(f);
    if (posted_) return;
    posted_ = true;
    first_post_.release();
  }

 private:
  bool posted_ = false;
  std::binary_semaphore first_post_{0};
};

const Registration kRegistration(make_contender<OnThread<AsioLoop>>("asio"));
const Registration kPolling(make_contender<OnThread<AsioPollingLoop>>("asio-polling", "W4"));
const Registration kUnsafe(make_contender<OnThread<AsioUnsafeLoop>>("asio-unsafe", "W5"));

}  // namespace
}  // namespace zmqloop::bench
