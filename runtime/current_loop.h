// Which loop runs on this thread, which was made current on it, and which is the process's
// instance.
//
// Threads: running and current are each thread's own; the instance is guarded by a mutex. All may
// outlive the loops they name: a loop that is destroyed clears itself everywhere.
// Internal: see IOLoop::current() and IOLoop::instance().

#ifndef ZMQLOOP_RUNTIME_CURRENT_LOOP_H_
#define ZMQLOOP_RUNTIME_CURRENT_LOOP_H_

#include <atomic>
#include <memory>

#include "zmqloop/runtime/loop_options.h"

namespace zmqloop {

class IOLoop;

// Shared by a loop and all that remember it: null once the loop is destroyed.
class LoopIdentity {
 public:
  explicit LoopIdentity(IOLoop& loop) : loop_(&loop) {}
  IOLoop* loop() const noexcept { return loop_.load(); }
  void forget() noexcept { loop_.store(nullptr); }

 private:
  std::atomic<IOLoop*> loop_;
};

class CurrentLoop {
 public:
  // ---- of this thread ----

  // Returns the loop that runs on this thread, or null. A forked child's thread runs none.
  static IOLoop* running() noexcept;
  // Returns the running loop, else the one made current, or null.
  static IOLoop* get() noexcept;
  static void set(std::shared_ptr<LoopIdentity> loop) noexcept;

  // Marks a loop as running and current while it exists; then restores what was current before.
  class Running {
   public:
    explicit Running(std::shared_ptr<LoopIdentity> loop);
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running();

   private:
    std::shared_ptr<LoopIdentity> previous_;
  };

  // ---- of the process ----

  // Returns the instance, which is made if there is none, with default options.
  static IOLoop& instance();
  // As instance(); a loop that is made gets these options.
  static IOLoop& instance(const LoopOptions& options);
  // Returns the instance, or null.
  static IOLoop* instance_or_null() noexcept;
  // Makes `loop` the instance; false if another one is.
  static bool install(IOLoop& loop);
  // Forgets the instance; closes and destroys one that instance() made.
  static void clear_instance();
  // Forgets `loop` if it is the instance.
  static void forget_instance(const IOLoop& loop) noexcept;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_CURRENT_LOOP_H_
