// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Makes calls of the C library fail for the calling thread, on demand: those by libzmq, too.
//
//   if (!kCanRefuseCalls) GTEST_SKIP();
//   refused_calls.threads = EAGAIN;       // pthread_create() fails with it from now on
//   refused_calls.poll_nth = 3;           // the third poll() from now on is interrupted
//
// Defines the functions themselves, in front of the C library's: include it in one file of a test.
// Sanitizers have their own functions in that place; under them no call is refused.
//
// Threads: each has its own settings.

#ifndef ZMQLOOP_TESTS_SUPPORT_REFUSED_CALLS_H_
#define ZMQLOOP_TESTS_SUPPORT_REFUSED_CALLS_H_

#include <cerrno>
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>

namespace zmqloop::testing {

struct RefusedCalls {
  int threads = 0;   // the errno of pthread_create(); 0: it works
  int entries = 0;   // the errno of epoll_ctl(EPOLL_CTL_ADD); 0: it works
  int poll_nth = 0;  // which poll() from now on fails with EINTR; 0: none
};

inline constinit thread_local RefusedCalls refused_calls;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr bool kCanRefuseCalls = false;
#else
inline constexpr bool kCanRefuseCalls = true;

template <class Function>
Function* next_in_line(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}
#endif

}  // namespace zmqloop::testing

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
extern "C" {

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*body)(void*),
                   void* argument) {
  if (const int error = zmqloop::testing::refused_calls.threads; error != 0) return error;
  using Create = int(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto create = zmqloop::testing::next_in_line<Create>("pthread_create");
  return create(thread, attributes, body, argument);
}

int epoll_ctl(int set, int operation, int fd, epoll_event* event) noexcept {
  if (const int error = zmqloop::testing::refused_calls.entries;
      error != 0 && operation == EPOLL_CTL_ADD) {
    errno = error;
    return -1;
  }
  using Control = int(int, int, int, epoll_event*);
  static const auto control = zmqloop::testing::next_in_line<Control>("epoll_ctl");
  return control(set, operation, fd, event);
}

int poll(pollfd* items, nfds_t count, int timeout) {
  int& nth = zmqloop::testing::refused_calls.poll_nth;
  if (nth != 0 && --nth == 0) {
    errno = EINTR;
    return -1;
  }
  using Poll = int(pollfd*, nfds_t, int);
  static const auto next = zmqloop::testing::next_in_line<Poll>("poll");
  return next(items, count, timeout);
}

}  // extern "C"
#endif

#endif  // ZMQLOOP_TESTS_SUPPORT_REFUSED_CALLS_H_
