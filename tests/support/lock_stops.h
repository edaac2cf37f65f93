// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Stops threads each time they take a lock, so that another thread may fork at that moment.
//
//   LockStops stops;
//   std::thread worker([&] { stops.watch([&] { IOLoop loop; }); });
//   while (LockStop* const stop = stops.next()) {
//     fork();                                     // the worker holds stop->lock
//     stops.go_on(*stop);
//   }
//   worker.join();
//
// The thread that calls watch() is watched, and so are all threads that watched ones create. They
// stop once they have locked a mutex, also at the end of a wait for a condition variable, and once
// they have taken the guard of a static variable. Two locks are not mutexes. ForkProofMutex is held
// while signal handlers change, so threads stop before and after each call of sigaction(). Abseil's
// is held while it looks up names of functions, so they stop around each syscall(SYS_mmap). Mutexes
// of libzmq and of the libraries below it count too. Those inside the C library do not: fork()
// takes care of them.
//
// On request (At::kMemory), threads stop at each allocation and each release of memory by C++
// instead: there, their data may be half changed.
//
// Defines the functions themselves, in front of the C library's: include it in one file of a test.
// Sanitizers have their own functions in that place; under them no thread stops.
//
// Threads: next() and go_on() on one thread at a time, which is not watched; one object at a time.

#ifndef ZMQLOOP_TESTS_SUPPORT_LOCK_STOPS_H_
#define ZMQLOOP_TESTS_SUPPORT_LOCK_STOPS_H_

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <cxxabi.h>
#include <dlfcn.h>
#include <malloc.h>
#include <new>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <span>
#include <sys/syscall.h>
#include <unistd.h>
#include <unwind.h>

namespace zmqloop::testing {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr bool kCanStopAtLocks = false;
#else
inline constexpr bool kCanStopAtLocks = true;
#endif

// A thread that stands still, and the reason.
struct LockStop {
  const char* kind;
  const void* lock;
  std::size_t thread;  // watched threads are numbered in the order of their creation
  std::array<std::uintptr_t, 32> frames{};
  std::size_t depth = 0;

  std::span<const std::uintptr_t> stack() const { return {frames.data(), depth}; }

  sem_t may_go_on{};
  LockStop* next = nullptr;  // in the list of stopped threads
};

class LockStops {
 public:
  enum class At : bool { kLocks, kMemory };

  explicit LockStops(At at = At::kLocks) noexcept : at_(at) {
    ::sem_init(&events_, 0, 0);
    current_ = this;
  }
  LockStops(const LockStops&) = delete;
  LockStops& operator=(const LockStops&) = delete;
  ~LockStops() {
    current_ = nullptr;
    ::sem_destroy(&events_);
  }

  // Runs `f` on this thread. This thread stops at its locks, and so do the threads that it creates.
  template <class F>
  void watch(F&& f) {
    thread_ = threads_++;
    is_watched_ = true;
    f();
    is_watched_ = false;
    has_ended_ = true;
    ::sem_post(&events_);
  }

  // Sets whether this thread is watched, and with it the threads that it creates from now on.
  static void watch_threads_made_here(bool watch) noexcept { is_watched_ = watch; }

  // Waits until a thread has stopped, and returns its stop; null once watch() is over and no thread
  // stops any more.
  LockStop* next() noexcept {
    while (::sem_wait(&events_) != 0) continue;
    if (!has_ended_) return take();
    current_ = nullptr;
    while (stopping_ != 0) {  // threads that outlive the call, as libzmq's do
      if (LockStop* const stop = take()) go_on(*stop);
      ::sched_yield();
    }
    return nullptr;
  }
  void go_on(LockStop& stop) noexcept { ::sem_post(&stop.may_go_on); }

  // ---- watched threads ----

  // Stops this thread if it is watched. The functions below call this at each lock.
  static void stop_here(const char* kind, const void* lock, At at = At::kLocks) noexcept {
    if (!is_watched_) return;
    const int error = errno;
    is_watched_ = false;  // not in here
    ++stopping_;
    LockStops* const stops = current_;
    if (stops != nullptr && stops->at_ == at) stops->stand(kind, lock);
    --stopping_;
    is_watched_ = true;
    errno = error;
  }

  // The start argument of a thread that a watched one creates: it is watched too.
  struct Start {
    void* (*body)(void*);
    void* argument;
    std::size_t thread;
  };
  static bool is_watched() noexcept { return is_watched_; }
  static std::size_t next_thread() noexcept { return threads_++; }
  static void* run_watched(void* start) {
    const Start copy = *static_cast<Start*>(start);
    delete static_cast<Start*>(start);
    thread_ = copy.thread;
    is_watched_ = true;
    return copy.body(copy.argument);
  }

 private:
  void stand(const char* kind, const void* lock) noexcept {
    LockStop stop{.kind = kind, .lock = lock, .thread = thread_};
    ::_Unwind_Backtrace(&note_frame, &stop);
    ::sem_init(&stop.may_go_on, 0, 0);
    stop.next = standing_;
    while (!standing_.compare_exchange_weak(stop.next, &stop)) continue;
    ::sem_post(&events_);
    while (::sem_wait(&stop.may_go_on) != 0) continue;
  }
  LockStop* take() noexcept {
    LockStop* first = standing_;
    while (first != nullptr && !standing_.compare_exchange_weak(first, first->next)) continue;
    return first;
  }

  static _Unwind_Reason_Code note_frame(_Unwind_Context* context, void* argument) {
    auto& stop = *static_cast<LockStop*>(argument);
    const std::uintptr_t address = _Unwind_GetIP(context);
    if (address == 0 || stop.depth == stop.frames.size()) return _URC_END_OF_STACK;
    stop.frames[stop.depth++] = address - 1;  // within the call
    return _URC_NO_REASON;
  }

  const At at_;
  sem_t events_;
  std::atomic<LockStop*> standing_{nullptr};
  std::atomic<bool> has_ended_{false};

  static inline std::atomic<LockStops*> current_{nullptr};
  static inline std::atomic<int> stopping_{0};
  static inline std::atomic<std::size_t> threads_{0};
  static inline constinit thread_local bool is_watched_ = false;
  static inline constinit thread_local std::size_t thread_ = 0;
};

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)

// Finds the next definition of a function without a lock: the guard of a static variable is one of
// the functions.
template <class Function>
class NextInLine {
 public:
  explicit constexpr NextInLine(const char* name) : name_(name) {}
  Function* get() noexcept {
    Function* found = found_;
    if (found == nullptr) {
      found = reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name_));
      found_ = found;
    }
    return found;
  }

 private:
  const char* const name_;
  std::atomic<Function*> found_{nullptr};
};

#endif

}  // namespace zmqloop::testing

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
extern "C" {

int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  static constinit zmqloop::testing::NextInLine<int(pthread_mutex_t*)> next("pthread_mutex_lock");
  const int error = next.get()(mutex);
  if (error == 0) zmqloop::testing::LockStops::stop_here("mutex", mutex);
  return error;
}

int pthread_mutex_trylock(pthread_mutex_t* mutex) noexcept {
  static constinit zmqloop::testing::NextInLine<int(pthread_mutex_t*)> next(
      "pthread_mutex_trylock");
  const int error = next.get()(mutex);
  if (error == 0) zmqloop::testing::LockStops::stop_here("mutex", mutex);
  return error;
}

int pthread_cond_wait(pthread_cond_t* condition, pthread_mutex_t* mutex) {
  static constinit zmqloop::testing::NextInLine<int(pthread_cond_t*, pthread_mutex_t*)> next(
      "pthread_cond_wait");
  const int error = next.get()(condition, mutex);
  zmqloop::testing::LockStops::stop_here("mutex after a wait", mutex);
  return error;
}

int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                           const timespec* until) {
  using Wait = int(pthread_cond_t*, pthread_mutex_t*, clockid_t, const timespec*);
  static constinit zmqloop::testing::NextInLine<Wait> next("pthread_cond_clockwait");
  const int error = next.get()(condition, mutex, clock, until);
  zmqloop::testing::LockStops::stop_here("mutex after a wait", mutex);
  return error;
}

int sigaction(int signal, const struct sigaction* action, struct sigaction* before) noexcept {
  using Change = int(int, const struct sigaction*, struct sigaction*);
  static constinit zmqloop::testing::NextInLine<Change> next("sigaction");
  zmqloop::testing::LockStops::stop_here("before sigaction", nullptr);
  const int result = next.get()(signal, action, before);
  zmqloop::testing::LockStops::stop_here("after sigaction", nullptr);
  return result;
}

long syscall(long number, ...) noexcept {
  using Call = long(long, ...);
  static constinit zmqloop::testing::NextInLine<Call> next("syscall");
  std::va_list list;
  va_start(list, number);
  long arguments[6];
  for (long& argument : arguments) argument = va_arg(list, long);
  va_end(list);
  const bool stops = number == SYS_mmap;
  if (stops) zmqloop::testing::LockStops::stop_here("before mmap", nullptr);
  const long result = next.get()(number, arguments[0], arguments[1], arguments[2], arguments[3],
                                 arguments[4], arguments[5]);
  if (stops) zmqloop::testing::LockStops::stop_here("after mmap", nullptr);
  return result;
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*body)(void*),
                   void* argument) noexcept {
  using zmqloop::testing::LockStops;
  using Create = int(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static constinit zmqloop::testing::NextInLine<Create> next("pthread_create");
  if (!LockStops::is_watched()) return next.get()(thread, attributes, body, argument);
  auto* const start = new LockStops::Start{body, argument, LockStops::next_thread()};
  const int error = next.get()(thread, attributes, &LockStops::run_watched, start);
  if (error != 0) delete start;
  return error;
}

}  // extern "C"

// Not inlined: compilers take a free() of memory from new for a mistake.
#define ZMQLOOP_REPLACES __attribute__((noinline))

ZMQLOOP_REPLACES void* operator new(std::size_t size) {
  using zmqloop::testing::LockStops;
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  LockStops::stop_here("after an allocation", nullptr, LockStops::At::kMemory);
  return memory;
}
ZMQLOOP_REPLACES void operator delete(void* memory) noexcept {
  using zmqloop::testing::LockStops;
  // Shows a use after the release.
  if (memory != nullptr) std::memset(memory, 0xDD, ::malloc_usable_size(memory));
  asm volatile("" : : "r"(memory) : "memory");
  std::free(memory);
  LockStops::stop_here("after a release of memory", nullptr, LockStops::At::kMemory);
}
ZMQLOOP_REPLACES void operator delete(void* memory, std::size_t) noexcept {
  operator delete(memory);
}

#undef ZMQLOOP_REPLACES

namespace __cxxabiv1 {
extern "C" int __cxa_guard_acquire(__guard* guard) {
  static constinit zmqloop::testing::NextInLine<int(__guard*)> next("__cxa_guard_acquire");
  const int is_first = next.get()(guard);
  if (is_first != 0) zmqloop::testing::LockStops::stop_here("static guard", guard);
  return is_first;
}
}  // namespace __cxxabiv1
#endif

#endif  // ZMQLOOP_TESTS_SUPPORT_LOCK_STOPS_H_
