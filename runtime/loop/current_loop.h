// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Finds the loop that runs on this thread, the loop made current on it, and the process's instance.
//
// Threads: the running and the current loop are kept per thread; the instance is guarded by a
// mutex. All of them may outlive the loops they name. They can be asked at any time in the life of
// a thread and of the process: by destructors of thread-locals and static objects, in atexit
// handlers, and in forked children, which have no instance until they make one.
// Internal: see IOLoop::current() and IOLoop::instance().

#ifndef ZMQLOOP_RUNTIME_LOOP_CURRENT_LOOP_H_
#define ZMQLOOP_RUNTIME_LOOP_CURRENT_LOOP_H_

#include <cstdint>

#include "zmqloop/runtime/core/loop_options.h"
#include "zmqloop/threading/host/export.h"
#include "zmqloop/threading/host/registry.h"

namespace zmqloop {

class IOLoop;

// Refers to a loop; finds nothing once that is destroyed.
using LoopReference = Registry<IOLoop>::Reference;

// Registers a loop among those that exist.
class LoopEntry {
 public:
  explicit LoopEntry(IOLoop& loop);
  LoopEntry(const LoopEntry&) = delete;
  LoopEntry& operator=(const LoopEntry&) = delete;
  ~LoopEntry() { leave(); }
  LoopReference reference() const noexcept { return LoopReference(*place_); }
  // From here on, references find nothing.
  ZMQLOOP_EXPORT void leave() noexcept;

 private:
  Registry<IOLoop>::Place* place_;
};

class CurrentLoop {
 public:
  // ---- of this thread ----

  // Returns the loop that runs on this thread, or null. In a forked child, no loop of the parent
  // runs.
  static IOLoop* running() noexcept;
  // Returns the running loop, else the one made current, or null.
  ZMQLOOP_EXPORT static IOLoop* get() noexcept;
  ZMQLOOP_EXPORT static void set(LoopReference loop) noexcept;

  // While it exists, marks a loop as running and current; then restores the previous current loop.
  // It restores nothing in a child that was forked meanwhile, because the parent's loops are not
  // the child's.
  class Running {
   public:
    explicit Running(IOLoop& loop, LoopReference reference);
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running();

   private:
    const LoopReference previous_;
    const std::uint32_t generation_;
  };

  // Makes thread_has_ended() work on this thread from here on. Running calls it.
  static void watch_thread();
  // Returns whether this thread's thread-locals are gone: the thread ends, or has called exit(). If
  // a callable did so while a loop ran it, that loop never goes on.
  static bool thread_has_ended() noexcept;

  // ---- of the process ----

  // Returns the instance; makes it, with default options, if there is none.
  ZMQLOOP_EXPORT static IOLoop& instance();
  // As instance(), but makes the loop with these options.
  static IOLoop& instance(const LoopOptions& options);
  // Returns the instance, or null.
  ZMQLOOP_EXPORT static IOLoop* instance_or_null() noexcept;
  // Makes `loop` the instance; false if another loop is.
  static bool install(IOLoop& loop);
  // Forgets the instance; closes and destroys it if instance() made it.
  ZMQLOOP_EXPORT static void clear_instance();
  // Forgets `loop` if it is the instance.
  static void forget_instance(const IOLoop& loop) noexcept;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_LOOP_CURRENT_LOOP_H_
