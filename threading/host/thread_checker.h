// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Knows the thread that an object belongs to right now, if any.
//
// Threads: bind() and unbind() on the thread that gets or gives up the object; the rest on any
// thread; is_bound_here() is async-signal-safe.
// Errors: std::bad_alloc from bound_label().
// Internal.

#ifndef ZMQLOOP_THREADING_HOST_THREAD_CHECKER_H_
#define ZMQLOOP_THREADING_HOST_THREAD_CHECKER_H_

#include <atomic>
#include <mutex>
#include <string>

#include "zmqloop/threading/host/export.h"
#include "zmqloop/threading/host/thread_address.h"
#include "zmqloop/threading/host/thread_label.h"

namespace zmqloop {

class ThreadChecker {
 public:
  // Binds to the calling thread. Must not be bound already.
  ZMQLOOP_EXPORT void bind() noexcept;
  ZMQLOOP_EXPORT void unbind() noexcept;

  bool is_bound() const noexcept { return owner_.load() != nullptr; }
  bool is_bound_here() const noexcept { return owner_.load() == here(); }

  // Returns "thread 1234 (name)" for the thread that was bound last; empty if none was.
  ZMQLOOP_EXPORT std::string bound_label() const;

  // Returns an address that no two living threads share.
  static const void* here() noexcept { return thread_address(); }

 private:
  std::atomic<const void*> owner_{nullptr};

  // Guarded by mutex_.
  mutable std::mutex mutex_;
  ThreadLabel label_{};
};

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_THREAD_CHECKER_H_
