// Notices fork(): tells objects in the child that they belong to the parent.
//
// After fork() only the forking thread exists; sockets, epoll sets and locks of other threads are
// not the child's to touch. Each registered ForkGuard is told so in the child before fork() returns
// there.
//
// Threads: any. after_fork_in_child() runs in the child's only thread and may touch no lock.
// Errors: none.
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
  ForkGuard(const ForkGuard&) = delete;
  ForkGuard& operator=(const ForkGuard&) = delete;

  // Whether this object was made in another process than the calling one.
  bool is_foreign() const noexcept { return generation_ != fork_generation(); }

 protected:
  ForkGuard();
  virtual ~ForkGuard();

 private:
  friend struct ForkGuardList;

  // Called in a forked child for every guard that exists there.
  virtual void after_fork_in_child() noexcept = 0;

  const std::uint32_t generation_;
  ForkGuard* previous_ = nullptr;
  ForkGuard* next_ = nullptr;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_FORK_GUARD_H_
