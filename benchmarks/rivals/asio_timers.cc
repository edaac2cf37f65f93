// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// asio's timers: a steady_timer each, made once and armed again, on a context with concurrency hint
// 1: one thread runs it.

#include <chrono>
#include <cstddef>
#include <vector>

#include "benchmarks/timer_rows.h"
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>

namespace zmqloop::bench {
namespace {

class AsioTimers {
 public:
  AsioTimers(std::size_t timers, EventSink& sink) : sink_(sink) {
    timers_.reserve(timers);
    for (std::size_t timer = 0; timer < timers; ++timer) timers_.emplace_back(context_);
  }

  void arm(std::size_t timer, std::chrono::milliseconds delay) {
    timers_[timer].expires_after(delay);
    timers_[timer].async_wait([this, timer](const asio::error_code& error) {
      if (!error && !sink_.on_event(timer)) context_.stop();
    });
  }
  void cancel(std::size_t timer) { timers_[timer].cancel(); }
  // The handlers of cancelled timers run too, with an error.
  void settle() {
    context_.restart();
    context_.poll();
  }
  void run() {
    context_.restart();
    context_.run();
  }

 private:
  EventSink& sink_;
  asio::io_context context_{1};
  std::vector<asio::steady_timer> timers_;
};

const RowRegistration kRegistration(timer_rows<AsioTimers>("asio"));

}  // namespace
}  // namespace zmqloop::bench
