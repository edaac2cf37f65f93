// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/pool/loop_pool.h"

#include <exception>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "zmqloop/runtime/loop/current_loop.h"
#include "zmqloop/threading/host/error_output.h"
#include "zmqloop/threading/host/usable_cores.h"

namespace zmqloop {

LoopPool::LoopPool(Options options) {
  const std::size_t count = options.loops.value_or(usable_cores());
  if (count == 0 || count > kMostLoops) {
    throw std::invalid_argument(
        absl::StrCat("LoopPool: ", count, " loops asked for; 1 to ", kMostLoops, " are possible"));
  }
  const std::vector<int> cpus = options.pin ? usable_cpus() : std::vector<int>();
  threads_.reserve(count);
  try {
    for (std::size_t i = 0; i < count; ++i) {
      try {
        start_thread(options, i, cpus.empty() ? std::nullopt : std::optional(cpus[i % cpus.size()]));
      } catch (const std::system_error& error) {
        // The message ends with the code's text; strip it, the new exception appends it again.
        const std::string code = absl::StrCat(": ", error.code().message());
        throw std::system_error(
            error.code(), absl::StrCat("LoopPool: ", i, " of ", count,
                                       " loops started: ", absl::StripSuffix(error.what(), code)));
      }
      threads_.back()->wait_for_start();  // throws the user's exception, unwrapped
    }
  } catch (...) {
    end_all();
    throw;
  }
}

void LoopPool::start_thread(const Options& options, std::size_t index, std::optional<int> cpu) {
  LoopThread::Options thread{
      .name = absl::StrCat(options.name, "-", index), .cpu = cpu, .loop = options.loop};
  if (options.on_thread_start) {
    thread.on_thread_start = [hook = options.on_thread_start, index] { hook(index); };
  }
  if (options.on_thread_end) {
    thread.on_thread_end = [hook = options.on_thread_end, index] { hook(index); };
  }
  threads_.push_back(
      std::unique_ptr<LoopThread>(new LoopThread(std::move(thread), LoopThread::Unawaited())));
}

LoopPool::~LoopPool() {
  for (std::unique_ptr<LoopThread>& thread : threads_) {
    if (thread->loop().core()->affinity().is_foreign() || !thread->is_here()) continue;
    if (!CurrentLoop::thread_has_ended()) {
      write_error("zmqloop: LoopPool destroyed on the thread of its own loop '" + thread->name() +
                  "'\n");
      std::terminate();
    }
    kept_.at_exit = true;  // exit() runs on this thread, which never returns to its loop
  }
  end_all();
}

// Stops all loops and waits for all before any is destroyed: their callbacks may use the pool.
void LoopPool::end_all() noexcept {
  stop();
  for (const std::unique_ptr<LoopThread>& thread : threads_) thread->end_with_owner();
}

IOLoop& LoopPool::loop(std::size_t i) {
  if (i >= threads_.size()) {
    throw std::out_of_range(absl::StrCat("LoopPool::loop: index ", i, ", size ", threads_.size()));
  }
  return threads_[i]->loop();
}

IOLoop& LoopPool::for_key(std::uint64_t key) noexcept {
  // The finaliser of splitmix64 spreads keys that differ in a few bits over all 64.
  key = (key ^ (key >> 30)) * 0xbf58476d1ce4e5b9u;
  key = (key ^ (key >> 27)) * 0x94d049bb133111ebu;
  key ^= key >> 31;
  return threads_[static_cast<std::size_t>(key % threads_.size())]->loop();
}

IOLoop& LoopPool::least_loaded() noexcept {
  IOLoop* best = &next();  // equally loaded loops take turns
  std::uint64_t fewest = best->stats().pending;
  for (const std::unique_ptr<LoopThread>& thread : threads_) {
    const std::uint64_t pending = thread->loop().stats().pending;
    if (pending >= fewest) continue;
    fewest = pending;
    best = &thread->loop();
  }
  return *best;
}

void LoopPool::stop() noexcept {
  for (const std::unique_ptr<LoopThread>& thread : threads_) thread->stop();
}

CloseReport LoopPool::join() {
  if (threads_.front()->loop().core()->affinity().is_foreign()) {
    throw std::logic_error("LoopPool::join: the threads of loop '" + threads_.front()->name() +
                           "' and others are the parent process's; a forked child cannot join them");
  }
  for (const std::unique_ptr<LoopThread>& thread : threads_) {
    if (!thread->is_here()) continue;
    throw std::logic_error("LoopPool::join: called on the thread of its own loop '" +
                           thread->name() + "', which would wait for itself");
  }
  CloseReport report;
  std::exception_ptr failure;
  for (const std::unique_ptr<LoopThread>& thread : threads_) {
    try {
      report += thread->join();
    } catch (...) {
      if (failure == nullptr) failure = std::current_exception();
    }
  }
  if (failure != nullptr) std::rethrow_exception(failure);
  return report;
}

}  // namespace zmqloop
