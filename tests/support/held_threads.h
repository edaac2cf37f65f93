// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Holds new threads back until the test lets them begin, so that their creator meets young threads.
//
//   HeldThreads held;                        // holds threads that this one creates from here on
//   LoopThread young("young");               // has a thread, which has not begun
//   held.let_begin();
//
// Defines pthread_create() in front of the C library's: include it in one file of a test.
// Sanitizers have their own in that place; under them no thread is held (kCanHoldThreads).
//
// Threads: each holds the threads that it creates itself, with one HeldThreads at a time.

#ifndef ZMQLOOP_TESTS_SUPPORT_HELD_THREADS_H_
#define ZMQLOOP_TESTS_SUPPORT_HELD_THREADS_H_

#include <atomic>
#include <dlfcn.h>
#include <memory>
#include <pthread.h>

namespace zmqloop::testing {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr bool kCanHoldThreads = false;
#else
inline constexpr bool kCanHoldThreads = true;
#endif

class HeldThreads {
 public:
  HeldThreads() { of_this_thread = this; }
  HeldThreads(const HeldThreads&) = delete;
  HeldThreads& operator=(const HeldThreads&) = delete;
  ~HeldThreads() {
    let_begin();
    of_this_thread = nullptr;
  }

  // Lets the held threads begin, and all later ones at once.
  void let_begin() {
    *may_begin_ = true;
    may_begin_->notify_all();
  }

  // The start argument of a held thread.
  struct Start {
    std::shared_ptr<std::atomic<bool>> may_begin;
    void* (*body)(void*);
    void* argument;
  };
  static void* begin(void* start) {
    const std::unique_ptr<Start> own(static_cast<Start*>(start));
    own->may_begin->wait(false);
    return own->body(own->argument);
  }
  Start* hold(void* (*body)(void*), void* argument) const {
    return new Start{may_begin_, body, argument};
  }

  static inline constinit thread_local HeldThreads* of_this_thread = nullptr;

 private:
  const std::shared_ptr<std::atomic<bool>> may_begin_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace zmqloop::testing

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                              void* (*body)(void*), void* argument) {
  using zmqloop::testing::HeldThreads;
  using Create = int(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto create = reinterpret_cast<Create*>(::dlsym(RTLD_NEXT, "pthread_create"));
  if (HeldThreads::of_this_thread == nullptr) return create(thread, attributes, body, argument);
  HeldThreads::Start* const start = HeldThreads::of_this_thread->hold(body, argument);
  const int error = create(thread, attributes, &HeldThreads::begin, start);
  if (error != 0) delete start;
  return error;
}
#endif

#endif  // ZMQLOOP_TESTS_SUPPORT_HELD_THREADS_H_
