// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Several loops, each on a thread of its own: by default one per usable core.
//
//   LoopPool pool;
//   pool.post([] { … });                                  // on the next loop in turn
//   pool.for_key(order_id).add_callback([] { … });        // the same loop for the same key
//   Future<int> sum = pool.submit([] { return 1 + 1; });
//   pool.stop();
//   CloseReport left = pool.join();
//
// Each loop belongs to its thread for life, as with LoopThread.
//
// Threads: any; join() and the destructor any but the threads of its own loops. While the pool is
// being destroyed, callbacks that its loops still run may use it: posts are accepted or refused.
// Owns: the loops and their threads; loops live as long as the pool.
// Errors: the constructor throws std::invalid_argument for zero loops or more than kMostLoops,
// std::system_error if a loop or thread cannot be made, and any exception of on_thread_start; the
// loops made before are stopped and joined.
// Public.

#ifndef ZMQLOOP_RUNTIME_POOL_LOOP_POOL_H_
#define ZMQLOOP_RUNTIME_POOL_LOOP_POOL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "zmqloop/runtime/basics/callable_check.h"
#include "zmqloop/runtime/basics/option_functions.h"
#include "zmqloop/runtime/core/loop_options.h"
#include "zmqloop/runtime/loop/io_loop.h"
#include "zmqloop/runtime/pool/loop_thread.h"
#include "zmqloop/threading/host/export.h"

namespace zmqloop {

class LoopPool {
 public:
  static constexpr std::size_t kMostLoops = 4096;

  struct Options {
    std::optional<std::size_t> loops = {};  // empty: usable_cores()
    bool pin = false;                       // pins each loop to one usable CPU, in turn
    std::string name = "pool";              // loops and threads are called "pool-0", "pool-1", …
    LoopOptions loop = {};                  // for every loop; its name is not used
    // Called on each loop's thread with the loop's index, when LoopThread would; a copy per loop.
    ThreadHook<std::size_t> on_thread_start = {};
    ThreadHook<std::size_t> on_thread_end = {};
  };

  LoopPool() : LoopPool(Options()) {}
  ZMQLOOP_EXPORT explicit LoopPool(Options options);
  LoopPool(const LoopPool&) = delete;
  LoopPool& operator=(const LoopPool&) = delete;
  // Stops and joins. On a thread of its own loops it terminates the process with a message, unless
  // code that the loop runs has called exit(). In a forked child it only releases.
  ZMQLOOP_EXPORT ~LoopPool();

  std::size_t size() const noexcept { return threads_.size(); }
  // Returns loop `i`; std::out_of_range beyond size().
  ZMQLOOP_EXPORT IOLoop& loop(std::size_t i);

  // Returns the loops in turn.
  IOLoop& next() noexcept { return threads_[turn_.fetch_add(1) % threads_.size()]->loop(); }
  // Returns the same loop for the same key as long as the pool lives; keys are spread evenly.
  ZMQLOOP_EXPORT IOLoop& for_key(std::uint64_t key) noexcept;
  // Returns the loop with the fewest posts pending.
  ZMQLOOP_EXPORT IOLoop& least_loaded() noexcept;

  // Posts to next(); false once that loop is closed.
  template <CallableWith F>
  bool post(F&& f) {
    return next().add_callback(std::forward<F>(f));
  }
  // Posts to next() and returns a future for the result of `f`, or for the result of the task or
  // future that `f` returns. The future holds LoopClosedError if `f` never runs.
  template <CallableAgainWith F>
  auto submit(F&& f) {
    return next().submit(std::forward<F>(f));
  }
  // Posts a copy of `f` to each loop, to be called with that loop; returns how many accepted it.
  template <CallableWith<std::reference_wrapper<IOLoop>> F>
  std::size_t broadcast(F&& f) {
    std::size_t accepted = 0;
    for (const std::unique_ptr<LoopThread>& thread : threads_) {
      IOLoop& loop = thread->loop();
      if (loop.add_callback(std::decay_t<F>(f), std::ref(loop))) ++accepted;
    }
    return accepted;
  }

  // Lets each loop finish its current turn and end, as LoopThread::stop() does. Async-signal-safe.
  ZMQLOOP_EXPORT void stop() noexcept;

  // Waits until all loops have ended, and returns the sum of their CloseReports. Rethrows the first
  // failure of a loop, after all have ended.
  ZMQLOOP_EXPORT CloseReport join();

 private:
  void start_thread(const Options& options, std::size_t index, std::optional<int> cpu);
  void end_all() noexcept;

  // Keeps the threads undestroyed if one of them has called exit(): that thread never ends, and
  // main() may be joining it until the process has ended.
  struct Kept {
    union {
      std::vector<std::unique_ptr<LoopThread>> threads = {};
    };
    bool at_exit = false;
    Kept() {}
    ~Kept() {
      if (!at_exit) std::destroy_at(&threads);
    }
  } kept_;
  std::vector<std::unique_ptr<LoopThread>>& threads_ = kept_.threads;
  std::atomic<std::size_t> turn_{0};
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_POOL_LOOP_POOL_H_
