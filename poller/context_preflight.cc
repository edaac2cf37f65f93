// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/context_preflight.h"

#include <cerrno>
#include <pthread.h>
#include <signal.h>
#include <string>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

#include "zmqloop/threading/host/fork_guard.h"

namespace zmqloop {
namespace {

// The first socket takes six: three for the context, one for the socket, two that libzmq holds
// while it makes them. The rest is for descriptors that other threads open meanwhile.
constexpr int kDescriptors = 8;

// A descriptor for the trial, or the errno of the call that refused it.
class Trial {
 public:
  explicit Trial(int fd) noexcept : fd_(fd), error_(fd < 0 ? errno : 0) {}
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;
  ~Trial() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const noexcept { return fd_; }
  int error() const noexcept { return error_; }

 private:
  const int fd_;
  const int error_;
};

[[noreturn]] void refuse(const char* operation, const char* call, const char* remedy, int error) {
  throw std::system_error(error, std::system_category(),
                          std::string(operation) + ": " + call + " (" + remedy + ")");
}

void require_epoll_entry(const char* operation) {
  constexpr const char* kRemedy = "close descriptors or raise the limit (ulimit -n)";
  const Trial set(epoll_create1(EPOLL_CLOEXEC));
  if (set.error() != 0) refuse(operation, "epoll_create1", kRemedy, set.error());
  const Trial entry(eventfd(0, EFD_CLOEXEC));
  if (entry.error() != 0) refuse(operation, "eventfd", kRemedy, entry.error());
  epoll_event nothing{};
  if (epoll_ctl(set.get(), EPOLL_CTL_ADD, entry.get(), &nothing) == 0) return;
  refuse(operation, "epoll_ctl", "raise fs.epoll.max_user_watches or register less", errno);
}

// Starts a thread with the attributes of libzmq's own threads. It blocks all signals but those of
// faults, which cannot wait.
void require_thread(const char* operation) {
#ifdef __SANITIZE_THREAD__
  // In a forked child ThreadSanitizer does not see a thread end, and ends the process when the next
  // thread gets its number.
  if (fork_generation() != kFirstGeneration) return;
#endif
  sigset_t blocked;
  sigset_t before;
  ::sigfillset(&blocked);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT}) {
    ::sigdelset(&blocked, fault);
  }
  ::pthread_sigmask(SIG_SETMASK, &blocked, &before);
  pthread_t thread{};
  const auto nothing = [](void* argument) { return argument; };
  const int error = ::pthread_create(&thread, nullptr, nothing, nullptr);
  if (error == 0) ::pthread_join(thread, nullptr);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error == 0) return;
  refuse(operation, "pthread_create",
         "out of threads or memory; look at ulimit -u and -v, the control group's pids.max and "
         "/proc/sys/kernel/threads-max",
         error);
}

}  // namespace

void require_startable_context(const char* operation, DescriptorLimit limit) {
  require_thread(operation);
  require_free_descriptors(kDescriptors, operation, limit);
  require_epoll_entry(operation);
}

}  // namespace zmqloop
