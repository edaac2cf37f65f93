// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A thread with a name, pinned to one CPU or free to use all CPUs of the process.
//
//   NamedThread worker({.name = "worker-3", .cpu = 3}, [] { work(); });   // its destructor joins
//
// Threads: the body runs on the new thread. Use everything else on one thread at a time, and join
// on any thread but the new one.
// Owns: the thread and its body; the body is destroyed on the new thread, before join() returns.
// Errors: the constructor throws std::system_error, or std::invalid_argument for a null body; then
// there is no thread. An exception that escapes the body terminates the process, with a message
// that names the thread.
// Public.

#ifndef ZMQLOOP_THREADING_HOST_NAMED_THREAD_H_
#define ZMQLOOP_THREADING_HOST_NAMED_THREAD_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <pthread.h>
#include <string>
#include <sys/types.h>
#include <vector>

#include "absl/functional/any_invocable.h"

#include "zmqloop/threading/host/export.h"
#include "zmqloop/threading/host/fork_guard.h"
#include "zmqloop/threading/host/thread_label.h"  // IWYU pragma: export

namespace zmqloop {

class NamedThread {
 public:
  struct Options {
    std::string name = {};        // cut as shorten_thread_name() does; empty: the creator's
    // The CPU to run on; empty: any CPU of the process, even if the creator is pinned. (Plain
    // threads and programs that a pinned thread starts inherit its CPU.)
    std::optional<int> cpu = {};
    // Whether the thread blocks all signals but those of its own faults (SIGSEGV, SIGBUS, SIGFPE,
    // SIGILL, SIGTRAP, SIGSYS, SIGABRT) from its first instruction on. If not, it inherits the
    // creator's mask, as any thread does.
    bool block_signals = false;
  };

  // Starts the thread, pinned before it runs its first instruction.
  ZMQLOOP_EXPORT NamedThread(Options options, absl::AnyInvocable<void()> body);
  NamedThread(const NamedThread&) = delete;
  NamedThread& operator=(const NamedThread&) = delete;
  // Joins the thread, unless it was joined or abandoned. Does nothing in a forked child, where
  // there is no such thread.
  ZMQLOOP_EXPORT ~NamedThread();

  // Waits for the body to end. Throws std::system_error: resource_deadlock_would_occur on the
  // thread itself, invalid_argument if it was joined before or in a forked child.
  ZMQLOOP_EXPORT void join();

  // Makes the destructor not wait. For a thread that never ends because it has called exit():
  // join() would wait until the process has ended.
  void abandon() noexcept { abandoned_ = true; }

  // Returns whether join() can still be called; false in a forked child.
  ZMQLOOP_EXPORT bool joinable() const;

  // Returns the native id, as in ps and /proc. Waits until the thread has begun to run.
  ZMQLOOP_EXPORT pid_t id() const;

  // Returns the name as it was given.
  const std::string& name() const { return options_.name; }

 private:
  static void* run(void* self);
  int create();
  int create(const std::vector<int>& cpus);
  [[noreturn]] void throw_creation_failure(int error) const;

  // Constant after construction.
  const Options options_;
  const std::uint32_t generation_ = fork_generation();  // a forked child has another

  // The new thread's.
  absl::AnyInvocable<void()> body_;

  // Shared: 0 until the new thread has written it.
  std::atomic<pid_t> id_{0};

  // The joining thread's.
  pthread_t thread_{};
  bool joined_ = false;
  bool abandoned_ = false;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_NAMED_THREAD_H_
