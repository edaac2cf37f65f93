#include "zmqloop/threading/fork_guard.h"

#include <atomic>
#include <mutex>
#include <pthread.h>

#include "zmqloop/threading/thread_role.h"

namespace zmqloop {
namespace {

std::atomic<std::uint32_t> generation{1};

}  // namespace

// The guards of this process. A std::mutex, because pthread_atfork() must hold it across fork().
struct ForkGuardList {
  static ForkGuardList& get() {
    static ForkGuardList* const list = new ForkGuardList;  // never destroyed: used during exit
    return *list;
  }

  ForkGuardList() {
    // Failure (ENOMEM) leaves forks unnoticed, which is no worse than not using this class.
    static_cast<void>(pthread_atfork([] { get().mutex.lock(); }, [] { get().mutex.unlock(); },
                                     [] { get().tell_child(); }));
  }

  void tell_child() noexcept {
    // relaxed: the child has a single thread.
    generation.fetch_add(1, std::memory_order_relaxed);
    ThreadRole::set_loop_name(nullptr);  // the parent's loop runs in the parent
    for (ForkGuard* guard = first; guard != nullptr; guard = guard->next_) {
      guard->in_child_(guard->context_);
    }
    mutex.unlock();
  }

  void add(ForkGuard& guard) {
    const std::lock_guard lock(mutex);
    guard.next_ = first;
    if (first != nullptr) first->previous_ = &guard;
    first = &guard;
  }

  void remove(ForkGuard& guard) {
    const std::lock_guard lock(mutex);
    (guard.previous_ != nullptr ? guard.previous_->next_ : first) = guard.next_;
    if (guard.next_ != nullptr) guard.next_->previous_ = guard.previous_;
  }

  std::mutex mutex;
  ForkGuard* first = nullptr;
};

std::uint32_t fork_generation() noexcept {
  // relaxed: changes only while the process has a single thread.
  return generation.load(std::memory_order_relaxed);
}

ForkGuard::ForkGuard(InChild in_child, void* context)
    : generation_(fork_generation()), in_child_(in_child), context_(context) {
  ForkGuardList::get().add(*this);
}

ForkGuard::~ForkGuard() { ForkGuardList::get().remove(*this); }

}  // namespace zmqloop
