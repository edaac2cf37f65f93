// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A thread that owns a loop: made, named, pinned, run and closed on that one thread.
//
//   LoopThread io({.name = "io"});
//   io.loop().add_callback([] { … });       // at once: posts are accepted before the thread runs
//   io.stop();
//   CloseReport left = io.join();
//
// The loop is that thread's for life: calls that belong to the loop's thread, such as timers and
// handlers, are std::logic_error on any other, from construction until it is closed. What it needs
// from the beginning goes into Options, or into on_thread_start.
//
// When the thread ends, by a stop, an exception, pthread_exit() or cancellation, the loop closes on
// it: what was accepted and not run is destroyed there, and later posts are refused. (on_thread_end is
// called then as well; if the thread is being unwound, it must not call pthread_exit() itself.)
//
// Threads: loop() and stop() any; join() any but the loop's own.
// Owns: the thread and the loop; the loop lives as long as this object.
// Errors: std::system_error from the constructor (thread, pinning, descriptors), or what
// on_thread_start throws, and then there is neither thread nor loop. join() rethrows what left the
// loop's start(), else what on_thread_end threw.
// Public.

#ifndef ZMQLOOP_RUNTIME_POOL_LOOP_THREAD_H_
#define ZMQLOOP_RUNTIME_POOL_LOOP_THREAD_H_

#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "zmqloop/runtime/basics/option_functions.h"
#include "zmqloop/runtime/core/loop_options.h"
#include "zmqloop/runtime/loop/io_loop.h"
#include "zmqloop/threading/host/export.h"
#include "zmqloop/threading/host/named_thread.h"
#include "zmqloop/threading/host/semaphore.h"

namespace zmqloop {

class LoopThread {
 public:
  struct Options {
    std::string name = {};  // of thread and loop; empty: the loop's
    // The CPU to run on; empty: any of the process's. Plain threads and programs that its callbacks
    // start may use that CPU alone, as Linux has it; loops, pools and NamedThreads all of them.
    std::optional<int> cpu = {};
    LoopOptions loop = {};  // its name is used if `name` is empty
    // Called on the thread: before the loop runs, with the loop current, so that it may add timers
    // and handlers; and last, once the loop is closed. The constructor waits for the first.
    ThreadHook<> on_thread_start = {};
    ThreadHook<> on_thread_end = {};
  };

  // Starts the thread; loop() is valid at once.
  LoopThread() : LoopThread(Options()) {}
  ZMQLOOP_EXPORT explicit LoopThread(Options options);
  // A template, so that LoopThread({.name = "io"}) means Options to every compiler.
  template <class Name>
  requires std::is_convertible_v<Name, std::string>
  explicit LoopThread(Name name) : LoopThread(Options{.name = std::move(name)}) {}
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;
  // Stops and joins. On the loop's own thread: terminates the process with a message, unless
  // something that the loop runs has called exit(). In a forked child: only releases.
  ZMQLOOP_EXPORT ~LoopThread();

  // ---- any thread ----

  IOLoop& loop() noexcept { return loop_; }
  // Returns whether this is the calling thread, also while it closes its loop.
  bool is_here() const noexcept { return loop_.core()->affinity().is_here(); }
  const std::string& name() const noexcept { return loop_.name(); }

  // Lets the loop finish the turn it is in, and end: what was posted before runs as long as
  // LoopOptions::turn_budget lasts, and the rest is abandoned, counted. Async-signal-safe.
  void stop() noexcept { loop_.stop(); }

  // Waits until the loop has ended and returns what it left undone; the same each time it is
  // called. std::logic_error on the loop's own thread.
  ZMQLOOP_EXPORT CloseReport join();

 private:
  friend class LoopPool;

  // Starts the thread, but does not wait for on_thread_start.
  struct Unawaited {};
  LoopThread(Options options, Unawaited);
  // Waits for it; throws what it has thrown, with the thread joined.
  void wait_for_start();

  void run();
  void begin();
  void end();
  // Stops, and waits for the end; what join() would throw is of no interest.
  void end_with_owner() noexcept;

  IOLoop loop_;

  // The loop's thread.
  const ThreadHook<> on_thread_start_;
  const ThreadHook<> on_thread_end_;
  bool has_started_ = false;

  // Written by the loop's thread; read after the semaphore was posted, and after it was joined.
  Semaphore start_is_over_;
  std::exception_ptr start_failure_;
  CloseReport report_;
  std::exception_ptr failure_;

  // Guarded by join_mutex_.
  std::mutex join_mutex_;
  NamedThread thread_;  // last: its body uses the other members
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_POOL_LOOP_THREAD_H_
