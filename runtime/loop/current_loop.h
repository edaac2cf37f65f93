// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Which loop runs on this thread, which was made current on it, and which is the process's
// instance.
//
// Threads: running and current are each thread's own; the instance is guarded by a mutex. All may
// outlive the loops they name. They can be asked at any time in the life of a thread and of the
// process: by destructors of thread-locals and static objects, in atexit handlers, and in forked
// children, which have no instance until they make one.
// Internal: see IOLoop::current() and IOLoop::instance().

#ifndef ZMQLOOP_RUNTIME_LOOP_CURRENT_LOOP_H_
#define ZMQLOOP_RUNTIME_LOOP_CURRENT_LOOP_H_

#include <cstdint>

#include "zmqloop/runtime/core/loop_options.h"
#include "zmqloop/threading/host/export.h"
#include "zmqloop/threading/host/registry.h"

namespace zmqloop {

class IOLoop;

// Refers to a loop until that is destroyed.
using LoopReference = Registry<IOLoop>::Reference;

// A loop's place among those that exist.
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

  // Returns the loop that runs on this thread, or null. A forked child's thread runs none.
  static IOLoop* running() noexcept;
  // Returns the running loop, else the one made current, or null.
  ZMQLOOP_EXPORT static IOLoop* get() noexcept;
  ZMQLOOP_EXPORT static void set(LoopReference loop) noexcept;

  // Marks a loop as running and current while it exists; then restores what was current before. In a
  // child that was forked meanwhile, which has no loops of its parent's, nothing is restored.
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

  // Has thread_has_ended() tell from here on; done by Running.
  static void watch_thread();
  // Whether the thread-locals of this thread are gone: it ends, or has called exit(). If that was
  // something that a loop runs on it, the loop never goes on.
  static bool thread_has_ended() noexcept;

  // ---- of the process ----

  // Returns the instance, which is made if there is none, with default options.
  ZMQLOOP_EXPORT static IOLoop& instance();
  // As instance(); a loop that is made gets these options.
  static IOLoop& instance(const LoopOptions& options);
  // Returns the instance, or null.
  ZMQLOOP_EXPORT static IOLoop* instance_or_null() noexcept;
  // Makes `loop` the instance; false if another one is.
  static bool install(IOLoop& loop);
  // Forgets the instance; closes and destroys one that instance() made.
  ZMQLOOP_EXPORT static void clear_instance();
  // Forgets `loop` if it is the instance.
  static void forget_instance(const IOLoop& loop) noexcept;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_LOOP_CURRENT_LOOP_H_
