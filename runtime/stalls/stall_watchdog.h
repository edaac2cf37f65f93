// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The thread that looks at all loops with a threshold and reports their stalls.
//
// It is started for the first of them and joined when the last has gone. While all of them are
// idle, it sleeps. Loops wait for it in watch() and unwatch() only. These return once the ends of
// finished stalls are reported and no report of the loop is being delivered: the earlier action
// does not run, nor will it. (An action that calls them itself does not wait.) An action that waits
// for a loop in one of these calls waits for ever; one that posts to the loop is fine.
//
// While an action runs, or a thread is asked for its stack, it looks at no loop: it misses a stall
// that begins and ends meanwhile.
//
// Threads: any but signal handlers; watch() and unwatch() of one loop by one thread at a time.
// Owns: the thread; shares the watches with their loops.
// Errors: std::system_error and std::bad_alloc from watch(), with nothing changed.
// Forks: a child starts with a watchdog of its own, which watches nothing.
// Internal.

#ifndef ZMQLOOP_RUNTIME_STALLS_STALL_WATCHDOG_H_
#define ZMQLOOP_RUNTIME_STALLS_STALL_WATCHDOG_H_

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "zmqloop/runtime/stalls/stall_watch.h"
#include "zmqloop/threading/host/fork_guard.h"
#include "zmqloop/threading/host/named_thread.h"
#include "zmqloop/threading/host/semaphore.h"

namespace zmqloop {

class StallWatchdog {
 public:
  // Returns the watchdog of this process. Never destroyed: loops may end after main() has.
  static StallWatchdog& get();

  StallWatchdog(const StallWatchdog&) = delete;
  StallWatchdog& operator=(const StallWatchdog&) = delete;

  // Returns the semaphore that probes post.
  Semaphore& wake_up() noexcept { return wake_up_; }

  // Begins to look at a loop, or changes its settings.
  void watch(const std::shared_ptr<StallWatch>& watch, StallWatch::Settings settings);
  // Stops looking at it, and forgets the stall that goes on, if any. Not watched: no effect.
  void unwatch(const std::shared_ptr<StallWatch>& watch);

 private:
  struct Entry {
    std::shared_ptr<StallWatch> watch;
    bool is_settling;  // its settings are about to change: ends are reported, but no new stalls
  };
  struct Turn;
  template <class F>
  class AtEnd;
  using Thread = std::unique_ptr<NamedThread>;

  StallWatchdog() = default;
  ~StallWatchdog() = default;

  // ---- the watchdog's thread ----
  void run(std::uint32_t run);
  Turn next_turn(std::uint32_t run);

  // ---- other threads, which hold the mutex ----
  void start_thread();
  std::vector<Thread> end_thread_if_unneeded();
  std::vector<Entry>::iterator find(const StallWatch& watch);
  // Returns once the ends of all finished stalls of the loop are reported, and no report of it is
  // being delivered or will be.
  void settle(std::unique_lock<std::mutex>& lock, StallWatch& watch);

  // Shared.
  Semaphore wake_up_;

  // Guarded by mutex_.
  std::mutex mutex_;
  std::condition_variable changed_;  // delivering_ or runs_ended_
  std::vector<Entry> watches_;
  const StallWatch* delivering_ = nullptr;
  std::uint32_t run_ = 0;  // the number of the thread, or of the next
  std::uint32_t runs_ended_ = 0;
  Thread thread_;
  std::vector<Thread> ending_;  // asked to end; another thread joins them

  ForkGuard fork_guard_{&StallWatchdog::forget_parent, nullptr};
  static void forget_parent(void*) noexcept;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_STALLS_STALL_WATCHDOG_H_
