// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/host/named_thread.h"

#include <algorithm>
#include <cerrno>
#include <exception>
#include <signal.h>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "zmqloop/threading/host/cpu_set.h"
#include "zmqloop/threading/host/error_output.h"
#include "zmqloop/threading/host/forced_unwind.h"
#include "zmqloop/threading/host/usable_cores.h"

namespace zmqloop {
namespace {

// Blocks all signals but the synchronous ones, if `block` is set: a thread created meanwhile starts
// with this mask.
class SignalsBlocked {
 public:
  explicit SignalsBlocked(bool block) : block_(block) {
    if (!block) return;
    sigset_t blocked;
    ::sigfillset(&blocked);
    for (int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT}) {
      ::sigdelset(&blocked, signal);
    }
    ::pthread_sigmask(SIG_SETMASK, &blocked, &before_);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() {
    if (block_) ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  const bool block_;
  sigset_t before_;
};

class ThreadAttributes {
 public:
  ThreadAttributes() { error_ = ::pthread_attr_init(&attributes_); }
  ThreadAttributes(const ThreadAttributes&) = delete;
  ThreadAttributes& operator=(const ThreadAttributes&) = delete;
  ~ThreadAttributes() { ::pthread_attr_destroy(&attributes_); }

  int error() const { return error_; }
  const pthread_attr_t* get() const { return &attributes_; }

  void run_on(const std::vector<int>& cpus) {
    const auto [lowest, highest] = std::minmax_element(cpus.begin(), cpus.end());
    if (*lowest < 0 || static_cast<std::size_t>(*highest) >= CpuSet::kMostCpus) {
      error_ = EINVAL;
      return;
    }
    CpuSet set(static_cast<std::size_t>(*highest) + 1);
    for (const int cpu : cpus) set.add(cpu);
    error_ = ::pthread_attr_setaffinity_np(&attributes_, set.bytes(), set.get());
  }

 private:
  pthread_attr_t attributes_;
  int error_;
};

// Names on stderr the thread that let the current exception escape; std::terminate() then names the
// exception.
[[noreturn]] void terminate_thread() {
  write_error("zmqloop: an exception escaped from " + current_thread_label() + "\n");
  std::terminate();
}

// pthread_cancel() and pthread_exit() unwind with an exception that has no object: the reference is
// null, which UBSan must not report.
__attribute__((noinline, no_sanitize("null"))) void run_body(absl::AnyInvocable<void()>& body) {
  try {
    body();
    body = nullptr;
  } catch (const ForcedUnwind&) {
    throw;  // the C library ends this thread
  } catch (...) {
    terminate_thread();
  }
}

}  // namespace

NamedThread::NamedThread(Options options, absl::AnyInvocable<void()> body)
    : options_(std::move(options)), body_(std::move(body)) {
  if (!body_) throw std::invalid_argument("NamedThread " + options_.name + ": null body");
  if (const int error = create(); error != 0) throw_creation_failure(error);
}

int NamedThread::create() {
  if (options_.cpu) return create({*options_.cpu});
  const std::vector<int> cpus = cpus_beyond_this_threads();
  const int error = create(cpus);
  // The process may just have lost some of these CPUs.
  return error == EINVAL && !cpus.empty() ? create({}) : error;
}

// Creates the thread with these CPUs; if there are none, with the creator's.
int NamedThread::create(const std::vector<int>& cpus) {
  ThreadAttributes attributes;
  if (attributes.error() == 0 && !cpus.empty()) attributes.run_on(cpus);
  if (attributes.error() != 0) return attributes.error();
  const SignalsBlocked blocked(options_.block_signals);
  return ::pthread_create(&thread_, attributes.get(), &NamedThread::run, this);
}

void NamedThread::throw_creation_failure(int error) const {
  const std::string thread = "thread \"" + options_.name + "\"";
  std::string message = "starting " + thread;
  if (error == EAGAIN) {
    message +=
        ": out of threads or memory; look at ulimit -u and -v, the control group's pids.max and "
        "/proc/sys/kernel/threads-max";
  } else if (options_.cpu) {
    message = pinning_failure(thread, *options_.cpu);
  }
  throw std::system_error(error, std::generic_category(), message);
}

void* NamedThread::run(void* self) {
  auto& thread = *static_cast<NamedThread*>(self);
  if (!thread.options_.name.empty()) {
    // Fails only for a name that is too long.
    const std::string name = shorten_thread_name(thread.options_.name);
    static_cast<void>(::pthread_setname_np(::pthread_self(), name.c_str()));
  }
  // relaxed: readers need only the number itself; pairs with the load in id().
  thread.id_.store(current_thread_id(), std::memory_order_relaxed);
  thread.id_.notify_all();
  run_body(thread.body_);
  return nullptr;
}

NamedThread::~NamedThread() {
  if (joinable() && !abandoned_) join();
}

void NamedThread::join() {
  if (!joinable()) {
    throw std::system_error(std::make_error_code(std::errc::invalid_argument),
                            "joining thread \"" + options_.name + "\" that was joined before");
  }
  if (::pthread_equal(thread_, ::pthread_self()) != 0) {
    throw std::system_error(
        std::make_error_code(std::errc::resource_deadlock_would_occur),
        "joining " + current_thread_label() + " from itself; join it from another thread");
  }
  if (const int error = ::pthread_join(thread_, nullptr); error != 0) {
    throw std::system_error(error, std::generic_category(),
                            "joining thread \"" + options_.name + "\"");
  }
  joined_ = true;
}

bool NamedThread::joinable() const { return !joined_ && generation_ == fork_generation(); }

pid_t NamedThread::id() const {
  // relaxed: only the number itself is needed; pairs with the store in run().
  id_.wait(0, std::memory_order_relaxed);
  return id_.load(std::memory_order_relaxed);
}

}  // namespace zmqloop
