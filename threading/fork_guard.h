// Notices fork(): tells objects in the child that they belong to the parent.
//
//   ForkGuard guard_{[](void* self) noexcept { static_cast<Loop*>(self)->poison(); }, this};  //
//   last member
//
// After fork() only the forking thread exists; sockets, epoll sets and locks of other threads are
// not the child's to touch. Each living guard is called in the child before fork() returns there.
//
// Threads: any. The call in the child is made by its only thread and may touch no lock.
// Errors: none. Only fork() is seen, not a raw clone system call.
// Internal.

#ifndef ZMQLOOP_THREADING_FORK_GUARD_H_
#define ZMQLOOP_THREADING_FORK_GUARD_H_

#include <cstdint>

namespace zmqloop {

// Returns a number that changes in a forked child: objects that remember another one are the
// parent's.
std::uint32_t fork_generation() noexcept;

class ForkGuard {
 public:
  using InChild = void (*)(void* context) noexcept;

  // Calls `in_child(context)` in every child forked while this exists. Make it the last member, so
  // that it is never called for an object half made.
  ForkGuard(InChild in_child, void* context);
  ForkGuard(const ForkGuard&) = delete;
  ForkGuard& operator=(const ForkGuard&) = delete;
  ~ForkGuard();

  // Whether this was made in another process than the calling one.
  bool is_foreign() const noexcept { return generation_ != fork_generation(); }

 private:
  friend struct ForkGuardList;

  const std::uint32_t generation_;
  const InChild in_child_;
  void* const context_;
  ForkGuard* previous_ = nullptr;
  ForkGuard* next_ = nullptr;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_FORK_GUARD_H_
