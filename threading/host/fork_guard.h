// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Notices fork(): tells a process from the children it forks, and tells objects in a child that
// they belong to the parent.
//
//   class Loop {
//     static void in_child(void* loop) noexcept { static_cast<Loop*>(loop)->poison(); }
//     ForkGuard guard_{&in_child, this};      // the last member
//   };
//
// After fork() only the forking thread exists; sockets, epoll sets and locks of other threads are
// not the child's to touch. No lock is held across a fork, so that other pthread_atfork handlers
// may do what they like in any order; the kernel itself marks the child, by a page that it wipes.
// (But one: see poller/runtime_context.cc.)
//
// Threads: any; fork_generation() in signal handlers too.
// Errors: std::bad_alloc from the constructor of a guard.
// Internal.

#ifndef ZMQLOOP_THREADING_HOST_FORK_GUARD_H_
#define ZMQLOOP_THREADING_HOST_FORK_GUARD_H_

#include <atomic>
#include <cstdint>

#include "zmqloop/threading/host/export.h"
#include "zmqloop/threading/host/registry.h"

namespace zmqloop {

// The generation of a process that was not forked from one with this library.
inline constexpr std::uint32_t kFirstGeneration = 1;

// Returns a number that is constant for the life of a process and differs in each forked child.
// Objects that remember another one are the parent's. Costs two loads.
std::uint32_t fork_generation() noexcept;
// Returns whether that is `generation`. Calls nothing: no guard is told.
bool is_generation(std::uint32_t generation) noexcept;

class ForkGuard {
 public:
  // Called in a child, once, by its first thread that asks for the generation: most often inside
  // fork(), before that returns. May touch no lock, and must be async-signal-safe.
  using InChild = void (*)(void* context) noexcept;

  // Calls `in_child(context)` in every child forked while this exists. Make it the last member, so
  // that it is never called for an object half made.
  ForkGuard(InChild in_child, void* context);
  ForkGuard(const ForkGuard&) = delete;
  ForkGuard& operator=(const ForkGuard&) = delete;
  ~ForkGuard();

  // Makes a guard that is never destroyed, for what belongs to the whole process.
  static const ForkGuard& for_good(InChild in_child);

  // Returns whether this was made in another process than the calling one.
  bool is_foreign() const noexcept { return generation_ != fork_generation(); }

 private:
  friend std::uint32_t fork_generation() noexcept;
  friend bool is_generation(std::uint32_t generation) noexcept;
  friend struct ForkWatch;
  ZMQLOOP_EXPORT static std::uint32_t notice_fork(std::atomic<std::uint32_t>& mark) noexcept;
  static void tell_all() noexcept;

  const std::uint32_t generation_;
  const InChild in_child_;
  void* const context_;
  Registry<const ForkGuard>::Place& place_;

  // The generation, or zero in a child that has not yet noticed what it is.
  using Mark = std::atomic<std::uint32_t>;
  static_assert(Mark::is_always_lock_free, "read in signal handlers");
  static Mark ordinary_memory_;
  ZMQLOOP_EXPORT static std::atomic<Mark*> mark_;
};

inline std::uint32_t fork_generation() noexcept {
  ForkGuard::Mark& mark = *ForkGuard::mark_.load();
  if (const std::uint32_t generation = mark) [[likely]] return generation;
  return ForkGuard::notice_fork(mark);
}

// A child that has not noticed what it is finds zero there.
inline bool is_generation(std::uint32_t generation) noexcept {
  return *ForkGuard::mark_.load() == generation;
}

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_FORK_GUARD_H_
