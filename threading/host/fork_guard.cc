// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/host/fork_guard.h"

#include <atomic>
#include <new>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

namespace zmqloop {
namespace {

// A child has a copy of the parent's, and counts on from there.
constinit std::atomic<std::uint32_t> last_generation{kFirstGeneration};

constinit Registry<const ForkGuard> guards;

}  // namespace

constinit ForkGuard::Mark ForkGuard::ordinary_memory_{kFirstGeneration};
constinit std::atomic<ForkGuard::Mark*> ForkGuard::mark_{&ordinary_memory_};

// Made before other objects, so that its pthread_atfork handler is the first to run in a child.
struct ForkWatch {
  // If there is no memory, or the kernel (before 4.14) wipes no pages, only the handler marks a
  // child.
  ForkWatch() noexcept {
    const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    void* const page =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page != MAP_FAILED && ::madvise(page, size, MADV_WIPEONFORK) == 0) {
      ForkGuard::mark_ = ::new (page) ForkGuard::Mark(last_generation.load());
    } else if (page != MAP_FAILED) {
      ::munmap(page, size);
    }
    static_cast<void>(::pthread_atfork(nullptr, nullptr, &in_forked_child));
  }

 private:
  // Zeroes the mark if the kernel does not, and makes the child notice before fork() returns.
  static void in_forked_child() noexcept {
    if (ForkGuard::mark_ == &ForkGuard::ordinary_memory_) ForkGuard::ordinary_memory_ = 0;
    static_cast<void>(fork_generation());
  }
};
[[gnu::init_priority(101)]] const ForkWatch watch_for_forks;

// A child's first call. If several threads make it at once, one of them notifies the guards.
std::uint32_t ForkGuard::notice_fork(Mark& mark) noexcept {
  const std::uint32_t next = last_generation + 1;
  std::uint32_t unmarked = 0;
  if (!mark.compare_exchange_strong(unmarked, next)) return unmarked;
  last_generation = next;
  tell_all();
  return next;
}

ForkGuard::ForkGuard(InChild in_child, void* context)
    : generation_(fork_generation()),
      in_child_(in_child),
      context_(context),
      place_(guards.enter(*this)) {}

ForkGuard::~ForkGuard() { guards.leave(place_); }

const ForkGuard& ForkGuard::for_good(InChild in_child) { return *new ForkGuard(in_child, nullptr); }

// If a guard was being made or destroyed at the moment of the fork, we see all of it or nothing.
void ForkGuard::tell_all() noexcept {
  guards.for_each([](const ForkGuard& guard) { guard.in_child_(guard.context_); });
}

}  // namespace zmqloop
