// A scoped lock of an absl::Mutex that ThreadSanitizer can see.
//
// A distribution's Abseil is built without ThreadSanitizer, which then does not see what
// absl::Mutex orders and reports races between two holders of one lock. This lock tells it that
// whoever holds the lock sees what earlier holders did; an access without the lock is still
// reported. In other builds it is absl::MutexLock.
//
// Threads: any.
// Errors: none.
// Internal.

#ifndef ZMQLOOP_THREADING_VISIBLE_LOCK_H_
#define ZMQLOOP_THREADING_VISIBLE_LOCK_H_

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

#ifdef __SANITIZE_THREAD__
#define ZMQLOOP_THREADING_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ZMQLOOP_THREADING_TSAN 1
#endif
#endif

#ifdef ZMQLOOP_THREADING_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace zmqloop {

class ABSL_SCOPED_LOCKABLE VisibleLock {
 public:
  explicit VisibleLock(absl::Mutex* mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_->Lock();
#ifdef ZMQLOOP_THREADING_TSAN
    __tsan_acquire(mutex_);
#endif
  }
  VisibleLock(const VisibleLock&) = delete;
  VisibleLock& operator=(const VisibleLock&) = delete;
  ~VisibleLock() ABSL_UNLOCK_FUNCTION() {
#ifdef ZMQLOOP_THREADING_TSAN
    __tsan_release(mutex_);
#endif
    mutex_->Unlock();
  }

 private:
  absl::Mutex* const mutex_;
};

}  // namespace zmqloop

#undef ZMQLOOP_THREADING_TSAN

#endif  // ZMQLOOP_THREADING_VISIBLE_LOCK_H_
