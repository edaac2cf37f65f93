// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/faults/shortage.h"

#include <cerrno>
#include <cstddef>
#include <sched.h>
#include <string>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "tests/support/process_facts.h"

namespace zmqloop::faults {
namespace {

[[noreturn]] void refuse(const char* call) {
  throw std::system_error(errno, std::system_category(), call);
}

// Lowers a soft limit; the process may raise it again, up to the hard limit.
class Lowered {
 public:
  Lowered(decltype(RLIMIT_AS) what, rlim_t to) : what_(what) {
    if (::getrlimit(what_, &before_) != 0) refuse("getrlimit");
    const rlimit lower{to, before_.rlim_max};
    if (::setrlimit(what_, &lower) != 0) refuse("setrlimit");
  }
  Lowered(const Lowered&) = delete;
  Lowered& operator=(const Lowered&) = delete;
  ~Lowered() { ::setrlimit(what_, &before_); }

 private:
  const decltype(RLIMIT_AS) what_;
  rlimit before_{};
};

// Uses up all descriptors first, as there may be gaps between those in use.
class FewDescriptors : public Shortage {
 public:
  explicit FewDescriptors(long spare) {
    // Lowers the hard limit too: the library would raise its soft limit up to it.
    constexpr rlim_t kLimit = 256;
    const rlimit limit{kLimit, kLimit};
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) refuse("setrlimit");
    for (int fd = ::dup(STDERR_FILENO); fd >= 0; fd = ::dup(STDERR_FILENO)) held_.push_back(fd);
    for (; spare > 0 && !held_.empty(); --spare) release_one();
  }
  ~FewDescriptors() override {
    while (!held_.empty()) release_one();
  }

 private:
  void release_one() {
    ::close(held_.back());
    held_.pop_back();
  }
  std::vector<int> held_;
};

class FewThreads : public Shortage {
 public:
  explicit FewThreads(long spare)
      : limit_(RLIMIT_NPROC, testing::living_threads() + static_cast<rlim_t>(spare)) {}

 private:
  const Lowered limit_;
};

// The stack of the main thread grows as it is used. If it cannot grow, the process ends, and no
// library can prevent that. So we let it grow first.
[[gnu::noinline]] void grow_stack() {
  constexpr std::size_t kEnough = 256 << 10;
  constexpr std::size_t kPage = 4096;
  [[maybe_unused]] volatile char room[kEnough];
  for (std::size_t i = 0; i < kEnough; i += kPage) room[i] = 0;
}

class LittleMemory : public Shortage {
 public:
  explicit LittleMemory(long spare) : limit_(RLIMIT_AS, bytes(spare)) {}

 private:
  static rlim_t bytes(long spare) {
    grow_stack();
    return static_cast<rlim_t>(kilobytes_used() + spare) << 10;
  }
  const Lowered limit_;
};

long kilobytes_in(const char* field) {
  return std::stol(testing::thread_status(::gettid(), field));
}

}  // namespace

std::unique_ptr<Shortage> leave_only(long count, Scarce of) {
  switch (of) {
    case Scarce::kDescriptors:
      return std::make_unique<FewDescriptors>(count);
    case Scarce::kThreads:
      return std::make_unique<FewThreads>(count);
    case Scarce::kKilobytes:
      return std::make_unique<LittleMemory>(count);
  }
  return nullptr;
}

bool become_the_only_one_of_its_user() {
  // Root becomes a user id that nobody has. Other users make a user namespace, which counts anew.
  const auto nobody = static_cast<uid_t>(1'000'000'000 + ::getpid());
  if (::setresuid(nobody, nobody, nobody) != 0 && ::unshare(CLONE_NEWUSER) != 0) return false;
  // Otherwise a process that has changed its user may not read /proc/self.
  return ::prctl(PR_SET_DUMPABLE, 1) == 0;
}

long kilobytes_used() { return kilobytes_in("VmSize"); }
long most_kilobytes_used() { return kilobytes_in("VmPeak"); }

}  // namespace zmqloop::faults
