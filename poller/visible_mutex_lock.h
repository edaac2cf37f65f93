// A scoped lock of an absl::Mutex that ThreadSanitizer can see.
//
// Debian's Abseil is built without ThreadSanitizer, which therefore does not see what absl::Mutex
// orders and reports races between two holders of the same lock. This lock says it: whoever holds
// it sees what earlier holders did. Nothing is hidden by that: an access without the lock is still
// reported. In builds without ThreadSanitizer it is absl::MutexLock.
//
// Threads: any thread.
// Errors: none.
// Internal.

#ifndef ZMQLOOP_POLLER_VISIBLE_MUTEX_LOCK_H_
#define ZMQLOOP_POLLER_VISIBLE_MUTEX_LOCK_H_

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define ZMQLOOP_POLLER_HAS_TSAN 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define ZMQLOOP_POLLER_HAS_TSAN 1
#endif

#ifdef ZMQLOOP_POLLER_HAS_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace zmqloop {

class ABSL_SCOPED_LOCKABLE VisibleMutexLock {
 public:
  explicit VisibleMutexLock(absl::Mutex* mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex)
      : mutex_(mutex) {
    mutex_->Lock();
#ifdef ZMQLOOP_POLLER_HAS_TSAN
    __tsan_acquire(mutex_);
#endif
  }

  ~VisibleMutexLock() ABSL_UNLOCK_FUNCTION() {
#ifdef ZMQLOOP_POLLER_HAS_TSAN
    __tsan_release(mutex_);
#endif
    mutex_->Unlock();
  }

  VisibleMutexLock(const VisibleMutexLock&) = delete;
  VisibleMutexLock& operator=(const VisibleMutexLock&) = delete;

 private:
  absl::Mutex* const mutex_;
};

}  // namespace zmqloop

#undef ZMQLOOP_POLLER_HAS_TSAN

#endif  // ZMQLOOP_POLLER_VISIBLE_MUTEX_LOCK_H_
