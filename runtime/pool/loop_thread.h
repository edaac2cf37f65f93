// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A thread with a loop of its own. The thread is named and pinned, runs the loop and closes it.
//
//   LoopThread io({.name = "io"});
//   io.loop().add_callback([] { … });       // posts are accepted even before the thread runs
//   io.stop();
//   CloseReport left = io.join();
//
// The loop belongs to that thread for life. Calls that belong to the loop's thread, such as timers
// and handlers, throw std::logic_error on any other thread, from construction until the loop is
// closed. Set up the loop by Options or in on_thread_start.
//
// When the thread ends, by a stop, an exception, pthread_exit() or cancellation, it closes the
// loop: callbacks that were accepted and have not run are destroyed on the thread, and later posts
// are refused. (on_thread_end is called then as well; while the thread is being unwound, it must
// not call pthread_exit() itself.)
//
// Threads: loop() and stop() any; join() any but the loop's own.
// Owns: the thread and the loop; the loop lives as long as this object.
// Errors: the constructor throws std::system_error (thread, pinning, descriptors) or the exception
// of on_thread_start, and then there is neither thread nor loop. join() rethrows the exception that
// left the loop's start(), else that of on_thread_end.
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
    std::string name = {};  // of thread and loop; empty: loop.name
    // The CPU to run on; empty: any CPU of the process. Plain threads and programs started by
    // callbacks inherit the pin, as usual on Linux. LoopThreads, LoopPools and NamedThreads that
    // they make may use all CPUs of the process.
    std::optional<int> cpu = {};
    LoopOptions loop = {};  // its name is used if `name` is empty
    // Called on the thread. on_thread_start: before the loop runs, with the loop current, so it may
    // add timers and handlers; the constructor waits for it. on_thread_end: last, once the loop is
    // closed.
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
  // Stops and joins. On the loop's own thread it terminates the process with a message, unless code
  // that the loop runs has called exit(). In a forked child it only releases.
  ZMQLOOP_EXPORT ~LoopThread();

  // ---- any thread ----

  IOLoop& loop() noexcept { return loop_; }
  // Returns whether the caller is on this thread; true also while the thread closes its loop.
  bool is_here() const noexcept { return loop_.core()->affinity().is_here(); }
  const std::string& name() const noexcept { return loop_.name(); }

  // Lets the loop finish its current turn and end: callbacks posted before run as long as
  // LoopOptions::turn_budget lasts; the rest are abandoned and counted. Async-signal-safe.
  void stop() noexcept { loop_.stop(); }

  // Waits until the loop has ended and returns the report of its undone work; each call returns the
  // same. Throws std::logic_error on the loop's own thread.
  ZMQLOOP_EXPORT CloseReport join();

 private:
  friend class LoopPool;

  // Starts the thread, but does not wait for on_thread_start.
  struct Unawaited {};
  LoopThread(Options options, Unawaited);
  // Waits for on_thread_start. If that threw, joins the thread and rethrows.
  void wait_for_start();

  void run();
  void begin();
  void end();
  // Stops and waits for the end. Ignores the exceptions that join() would throw.
  void end_with_owner() noexcept;

  IOLoop loop_;

  // Called and written by the loop's thread only.
  const ThreadHook<> on_thread_start_;
  const ThreadHook<> on_thread_end_;
  bool has_started_ = false;

  // Written by the loop's thread; read by others after the semaphore was posted, and after the
  // thread was joined.
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
