// Which thread an object belongs to right now, if any, and a check that names both threads.
//
// Threads: bind() and unbind() on the thread that gets or gives up the object; the rest on any
// thread; is_bound_here() is async-signal-safe. Errors: check() throws std::logic_error. Internal.

#ifndef ZMQLOOP_THREADING_THREAD_CHECKER_H_
#define ZMQLOOP_THREADING_THREAD_CHECKER_H_

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>

#include "zmqloop/threading/primitives.h"
#include "zmqloop/threading/thread_label.h"

namespace zmqloop {

class ThreadChecker {
 public:
  // Binds to the calling thread. Not while it is bound.
  void bind() noexcept;
  void unbind() noexcept;

  bool is_bound() const noexcept { return owner_.load() != nullptr; }
  bool is_bound_here() const noexcept { return owner_.load() == here(); }

  // Throws if another thread is bound: `operation` was called on the wrong thread of `object`.
  void check(std::string_view operation, std::string_view object) const {
    if (is_bound() && !is_bound_here()) [[unlikely]]
      fail(operation, object);
  }
  // Returns "thread 1234 (name)" of the thread bound last.
  std::string bound_label() const;

 private:
  struct OfThisThread {};
  // An address that no two living threads share.
  static const void* here() noexcept { return &per_thread<OfThisThread>(); }
  [[noreturn]] void fail(std::string_view operation, std::string_view object) const;

  std::atomic<const void*> owner_{nullptr};

  // Guarded by mutex_.
  mutable std::mutex mutex_;
  ThreadLabel label_{};
};

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_THREAD_CHECKER_H_
