// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Notices fork(): tells a process from its forked children, and notifies objects in a child that
// they belong to the parent.
//
//   class Loop {
//     static void in_child(void* loop) noexcept { static_cast<Loop*>(loop)->poison(); }
//     ForkGuard guard_{&in_child, this};      // the last member
//   };
//
// After fork() only the forking thread exists. The child must not touch sockets, epoll sets and
// locks of other threads. We hold no lock across a fork (but one: see poller/runtime_context.cc),
// so that other pthread_atfork handlers may do anything, in any order. The kernel itself marks the
// child: it wipes a page.
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
// Objects that remember another number belong to the parent. Costs two loads.
std::uint32_t fork_generation() noexcept;
// Returns whether that number is `generation`. Does not notify guards, unlike fork_generation().
bool is_generation(std::uint32_t generation) noexcept;

class ForkGuard {
 public:
  // Called once in a child, by its first thread that asks for the generation: usually inside
  // fork(), before it returns. Must touch no lock and be async-signal-safe.
  using InChild = void (*)(void* context) noexcept;

  // Calls `in_child(context)` in every child forked while the guard exists. Make the guard the last
  // member, so that it is never called for a half-made object.
  ForkGuard(InChild in_child, void* context);
  ForkGuard(const ForkGuard&) = delete;
  ForkGuard& operator=(const ForkGuard&) = delete;
  ~ForkGuard();

  // Makes a guard that is never destroyed, for state of the whole process.
  static const ForkGuard& for_good(InChild in_child);

  // Returns whether the guard was made in another process than the calling one.
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

  // The generation, or zero in a child that has not noticed the fork yet.
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

// In a child that has not noticed the fork yet, the mark is zero.
inline bool is_generation(std::uint32_t generation) noexcept {
  return *ForkGuard::mark_.load() == generation;
}

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_FORK_GUARD_H_
