// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/pool/loop_thread.h"

#include <stdexcept>
#include <utility>

#include "zmqloop/runtime/basics/user_code.h"
#include "zmqloop/runtime/loop/current_loop.h"
#include "zmqloop/threading/host/cancellation_hold.h"
#include "zmqloop/threading/host/error_output.h"

namespace zmqloop {
namespace {

LoopOptions named_loop(const LoopThread::Options& options) {
  LoopOptions loop = options.loop;
  if (!options.name.empty()) loop.name = options.name;
  return loop;
}

}  // namespace

LoopThread::LoopThread(Options options) : LoopThread(std::move(options), Unawaited()) {
  wait_for_start();
}

LoopThread::LoopThread(Options options, Unawaited)
    : loop_(named_loop(options), LoopAffinity::Owner::kItsThread),
      on_thread_start_(std::move(options.on_thread_start)),
      on_thread_end_(std::move(options.on_thread_end)),
      thread_({.name = loop_.name(),
               .cpu = options.cpu,
               .block_signals = options.loop.block_signals},
              [this] { run(); }) {}

void LoopThread::wait_for_start() {
  if (!on_thread_start_) return;
  start_is_over_.wait_until(TimePoint::max());
  if (has_started_) return;
  thread_.join();
  if (start_failure_ != nullptr) std::rethrow_exception(start_failure_);
  throw std::runtime_error("LoopThread: the thread of loop '" + name() +
                           "' was ended by its on_thread_start");
}

LoopThread::~LoopThread() {
  if (!loop_.core()->affinity().is_foreign() && is_here()) {
    if (!CurrentLoop::thread_has_ended()) {
      write_error("zmqloop: LoopThread '" + name() + "' destroyed on its own loop's thread\n");
      std::terminate();
    }
    thread_.abandon();  // exit() runs on this thread, which never returns to its loop
  }
  end_with_owner();
}

// Calls the hooks and runs the loop in between. Closes the loop however this thread ends.
void LoopThread::run() {
  LoopAffinity& affinity = loop_.core()->affinity();
  affinity.begin_ownership();
  CurrentLoop::watch_thread();
  struct End {  // for pthread_exit() and pthread_cancel(), which unwind the stack
    LoopThread* thread;
    ~End() {
      if (thread != nullptr) thread->end();
    }
  } end_of_unwinding{this};
  loop_.make_current();
  begin();
  if (has_started_) {
    const auto fail = [this] { failure_ = std::current_exception(); };
    static_cast<void>(returned([this] { loop_.start(); }, fail));
  }
  end_of_unwinding.thread = nullptr;
  end();
}

void LoopThread::begin() {
  struct Told {
    Semaphore& start_is_over;
    ~Told() { start_is_over.post(); }
  } told{start_is_over_};
  const auto start = [this] {
    if (on_thread_start_) on_thread_start_();
    has_started_ = true;
  };
  static_cast<void>(returned(start, [this] { start_failure_ = std::current_exception(); }));
}

void LoopThread::end() {
  const CancellationHold hold;  // the thread is ending already
  LoopAffinity& affinity = loop_.core()->affinity();
  struct Leave {  // also if the hook ends the thread: another thread may soon reuse its memory
    LoopAffinity& affinity;
    ~Leave() {
      IOLoop::clear_current();
      affinity.end_ownership();
    }
  } leave{affinity};
  report_ = loop_.close();
  const auto call_hook = [&] {
    if (on_thread_end_ && has_started_ && !affinity.is_foreign()) on_thread_end_();
  };
  const auto fail = [this] {
    if (failure_ == nullptr) failure_ = std::current_exception();
  };
  static_cast<void>(returned(call_hook, fail));
}

CloseReport LoopThread::join() {
  if (loop_.core()->affinity().is_foreign()) {
    throw std::logic_error("LoopThread::join: the thread of loop '" + name() +
                           "' is the parent process's; a forked child cannot join it");
  }
  if (is_here()) {
    throw std::logic_error("LoopThread::join: called on the thread of its own loop '" + name() +
                           "', which would wait for itself");
  }
  const std::lock_guard lock(join_mutex_);
  if (thread_.joinable()) thread_.join();
  if (failure_ != nullptr) std::rethrow_exception(failure_);
  return report_;
}

void LoopThread::end_with_owner() noexcept {
  const CancellationHold hold;
  stop();
  if (loop_.core()->affinity().is_foreign() || is_here()) return;
  const std::lock_guard lock(join_mutex_);  // at exit, main() may be joining it
  if (thread_.joinable()) thread_.join();
}

}  // namespace zmqloop
