// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/faults/call_counts.h"

#include <atomic>
#include <cerrno>
#include <dlfcn.h>
#include <new>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace zmqloop::faults {
namespace {

constinit ChosenThread chosen_thread;
constinit std::atomic<int> threads_created{0};

struct Start {
  void* (*body)(void*);
  void* argument;
  int thread;
};

void* begin_and_run(void* pointer) {
  const Start start = *static_cast<Start*>(pointer);
  delete static_cast<Start*>(pointer);
  begin_thread(start.thread);
  return start.body(start.argument);
}

}  // namespace

void choose(const ChosenThread& chosen) noexcept { chosen_thread = chosen; }

void begin_thread(int thread) noexcept {
  const int saved_errno = errno;
  if (thread == chosen_thread.thread) {
    // No argument is a valid descriptor, address, size or flag: the call only counts.
    for (int i = 0; i < chosen_thread.times; ++i) {
      ::syscall(chosen_thread.call, -1L, -1L, -1L, -1L, -1L, -1L);
    }
  }
  mark();
  errno = saved_errno;
}

void mark() noexcept { ::syscall(SYS_getppid); }

}  // namespace zmqloop::faults

// Replaces the C library's function, and calls it.
extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                              void* (*body)(void*), void* argument) noexcept {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto create = reinterpret_cast<Create>(::dlsym(RTLD_NEXT, "pthread_create"));
  namespace faults = zmqloop::faults;
  auto* const start = new (std::nothrow) faults::Start{body, argument, ++faults::threads_created};
  if (start == nullptr) return EAGAIN;
  const int error = create(thread, attributes, &faults::begin_and_run, start);
  if (error != 0) delete start;
  return error;
}
