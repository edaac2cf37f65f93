// A thread that owns a loop: made, named, pinned, run and closed on that one thread.
//
//   LoopThread io({.name = "io"});
//   io.loop().add_callback([] { … });       // at once: posts are accepted before the thread runs
//   io.stop();
//   CloseReport left = io.join();
//
// When it ends, the loop closes on its own thread: what was accepted and not run is destroyed
// there, and later posts are refused. Application signals are blocked in the thread
// (threading/named_thread.h).
//
// Threads: loop() and stop() any; join() any but the loop's own.
// Owns: the thread and the loop; the loop lives as long as this object.
// Errors: std::system_error from the constructor (thread, pinning, descriptors), and then there is
// neither thread nor loop. join() rethrows what left the loop's start().
// Public.

#ifndef ZMQLOOP_RUNTIME_LOOP_THREAD_H_
#define ZMQLOOP_RUNTIME_LOOP_THREAD_H_

#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <string>

#include "zmqloop/runtime/io_loop.h"
#include "zmqloop/runtime/loop_options.h"
#include "zmqloop/threading/fork_guard.h"
#include "zmqloop/threading/named_thread.h"
#include "zmqloop/threading/thread_checker.h"

namespace zmqloop {

class LoopThread {
 public:
  struct Options {
    std::string name = {};        // of thread and loop; empty: the loop's
    std::optional<int> cpu = {};  // the CPU to run on; empty: any
    LoopOptions loop = {};        // its name is used if `name` is empty
  };

  // Starts the thread; loop() is valid at once.
  LoopThread() : LoopThread(Options()) {}
  explicit LoopThread(Options options);
  explicit LoopThread(std::string name);
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;
  // Stops and joins. On the loop's own thread: terminates the process with a message.
  ~LoopThread();

  // ---- any thread ----

  IOLoop& loop() noexcept { return loop_; }
  // Returns whether this is the calling thread, also while it closes its loop.
  bool is_here() const noexcept { return home_.is_bound_here(); }
  const std::string& name() const noexcept { return loop_.name(); }

  // Lets the loop finish the batch it is in, and end. Async-signal-safe.
  void stop() noexcept { loop_.stop(); }

  // Waits until the loop has ended and returns what it left undone; the same each time it is
  // called. std::logic_error on the loop's own thread.
  CloseReport join();

 private:
  void run();

  IOLoop loop_;
  const std::uint32_t fork_generation_ = fork_generation();

  // Bound as long as the loop's thread works on it, closing included.
  ThreadChecker home_;

  // Written by the loop's thread, read after it was joined.
  CloseReport report_;
  std::exception_ptr failure_;

  // Guarded by join_mutex_.
  std::mutex join_mutex_;
  NamedThread thread_;  // last: its body uses the other members
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_LOOP_THREAD_H_
