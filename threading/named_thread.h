// One thread with a name, pinned to a CPU if so wanted, that no application signal interrupts.
//
//   NamedThread worker({.name = "worker-3", .cpu = 3}, [] { work(); });   // joins in its
//   destructor
//
// All signals but those a thread raises itself by a fault (SIGSEGV, SIGBUS, SIGFPE, SIGILL,
// SIGTRAP, SIGSYS, SIGABRT) are blocked in the thread from its first instruction on: they go to the
// threads the application meant to take them.
//
// Threads: the body runs on the new thread; everything else is for one thread at a time, joining
// for any but the new one. Owns: the thread and its body; the body is destroyed on the new thread,
// before join() returns. Errors: std::system_error from the constructor, and then there is no
// thread. What escapes the body terminates the process, with a message that names the thread.
// Public.

#ifndef ZMQLOOP_THREADING_NAMED_THREAD_H_
#define ZMQLOOP_THREADING_NAMED_THREAD_H_

#include <atomic>
#include <optional>
#include <pthread.h>
#include <string>
#include <sys/types.h>

#include "absl/functional/any_invocable.h"

#include "zmqloop/threading/thread_label.h"  // IWYU pragma: export

namespace zmqloop {

class NamedThread {
 public:
  struct Options {
    std::string name;        // cut as shorten_thread_name() does; empty: the creator's
    std::optional<int> cpu;  // the CPU to run on; empty: any
  };

  // Starts the thread, pinned before it runs its first instruction.
  NamedThread(Options options, absl::AnyInvocable<void()> body);
  NamedThread(const NamedThread&) = delete;
  NamedThread& operator=(const NamedThread&) = delete;
  // Joins, if that was not done before. In a forked child, where there is no such thread, does not.
  ~NamedThread();

  // Waits for the body to end. std::system_error: resource_deadlock_would_occur on the thread
  // itself, invalid_argument if it was joined before.
  void join();

  // Whether join() is still to be called.
  bool joinable() const;

  // Returns the native id, as in ps and /proc. Waits for the thread's first instructions.
  pid_t id() const;

  // Returns the name as it was given.
  const std::string& name() const { return options_.name; }

 private:
  static void* run(void* self);
  int create();
  [[noreturn]] void throw_creation_failure(int error) const;

  // Constant after construction.
  const Options options_;
  const pid_t process_;  // a forked child has another

  // The new thread's.
  absl::AnyInvocable<void()> body_;

  // Shared: 0 until the new thread has written it.
  std::atomic<pid_t> id_{0};

  // The joining thread's.
  pthread_t thread_{};
  bool joined_ = false;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_NAMED_THREAD_H_
