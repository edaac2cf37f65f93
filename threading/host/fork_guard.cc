#include "zmqloop/threading/host/fork_guard.h"

#include <atomic>
#include <new>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

namespace zmqloop {
namespace {

// The generation, or zero in a child that has not yet noticed what it is.
using Mark = std::atomic<std::uint32_t>;
static_assert(Mark::is_always_lock_free, "read in signal handlers");

constinit Mark ordinary_memory{kFirstGeneration};
constinit std::atomic<Mark*> mark{&ordinary_memory};

// What a child counts on from: a copy of the parent's.
constinit Mark last_generation{kFirstGeneration};

constinit Registry<const ForkGuard> guards;

// Zeroes the mark where the kernel does not, and has the child notice before fork() returns.
void in_forked_child() {
  if (mark == &ordinary_memory) ordinary_memory = 0;
  static_cast<void>(fork_generation());
}

// Before the constructors of other objects, so that among the handlers of a child this one comes
// first. Where memory or the kernel (before 4.14) provides no such page, only this handler tells.
[[gnu::constructor(101)]] void watch_for_forks() {
  const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* const page =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page != MAP_FAILED && ::madvise(page, size, MADV_WIPEONFORK) == 0) {
    mark = ::new (page) Mark(last_generation.load());
  } else if (page != MAP_FAILED) {
    ::munmap(page, size);
  }
  static_cast<void>(::pthread_atfork(nullptr, nullptr, &in_forked_child));
}

}  // namespace

std::uint32_t fork_generation() noexcept {
  Mark& here = *mark.load();
  if (const std::uint32_t generation = here) [[likely]] return generation;
  // A child's first call; of several threads that make it at once, one tells the guards.
  const std::uint32_t next = last_generation + 1;
  std::uint32_t unmarked = 0;
  if (!here.compare_exchange_strong(unmarked, next)) return unmarked;
  last_generation = next;
  ForkGuard::tell_all();
  return next;
}

ForkGuard::ForkGuard(InChild in_child, void* context)
    : generation_(fork_generation()),
      in_child_(in_child),
      context_(context),
      place_(guards.enter(*this)) {}

ForkGuard::~ForkGuard() { guards.leave(place_); }

const ForkGuard& ForkGuard::for_good(InChild in_child) { return *new ForkGuard(in_child, nullptr); }

// Of a guard that was being made or destroyed at the moment of the fork, all or nothing is seen.
void ForkGuard::tell_all() noexcept {
  guards.for_each([](const ForkGuard& guard) { guard.in_child_(guard.context_); });
}

}  // namespace zmqloop
