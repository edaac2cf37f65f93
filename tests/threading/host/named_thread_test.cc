// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/host/named_thread.h"

#include <atomic>
#include <fstream>
#include <latch>
#include <memory>
#include <optional>
#include <pthread.h>
#include <signal.h>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "zmqloop/threading/host/cpu_set.h"
#include "zmqloop/threading/host/usable_cores.h"

namespace zmqloop {
namespace {

constexpr int kSynchronous[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};

bool is_synchronous(int signal) {
  for (const int synchronous : kSynchronous) {
    if (signal == synchronous) return true;
  }
  return false;
}

sigset_t mask_of_this_thread() {
  sigset_t mask;
  EXPECT_EQ(::pthread_sigmask(SIG_SETMASK, nullptr, &mask), 0);
  return mask;
}

TEST(NamedThread, RunsItsBodyUnderItsName) {
  std::string label;
  pid_t id = 0;
  NamedThread thread({.name = "worker-3", .cpu = {}}, [&] {
    label = current_thread_label();
    id = ::gettid();
  });
  EXPECT_EQ(thread.name(), "worker-3");
  EXPECT_TRUE(thread.joinable());
  thread.join();
  EXPECT_FALSE(thread.joinable());
  EXPECT_EQ(label, "thread " + std::to_string(id) + " (worker-3)");
  EXPECT_EQ(thread.id(), id);
}

TEST(NamedThread, ShortensALongName) {
  std::string label;
  NamedThread thread({.name = "telemetry-worker-12", .cpu = {}},
                     [&label] { label = current_thread_label(); });
  thread.join();
  EXPECT_NE(label.find("(telemetry-wo-12)"), std::string::npos) << label;
  EXPECT_EQ(thread.name(), "telemetry-worker-12");
}

TEST(NamedThread, HasAnIdWhileItRuns) {
  std::latch end(1);
  NamedThread thread({.name = "id", .cpu = {}}, [&end] { end.wait(); });
  EXPECT_GT(thread.id(), 0);
  EXPECT_NE(thread.id(), ::gettid());
  end.count_down();
}

TEST(NamedThread, JoinsInItsDestructor) {
  std::atomic<bool> ran{false};
  {
    const NamedThread thread({.name = "joined", .cpu = {}}, [&ran] {
      for (int i = 0; i < 100; ++i) sched_yield();
      ran.store(true);
    });
  }
  EXPECT_TRUE(ran.load());
}

TEST(NamedThread, DestroysItsBodyBeforeJoinReturns) {
  const auto shared = std::make_shared<int>();
  NamedThread thread({.name = "body", .cpu = {}}, [p = shared] {});
  thread.join();
  EXPECT_EQ(shared.use_count(), 1);
}

TEST(NamedThread, RunsOnItsCpuFromTheStart) {
  for (const int cpu : usable_cpus()) {
    std::vector<int> mask;
    int seen = -1;
    NamedThread thread({.name = "pinned", .cpu = cpu}, [&] {
      seen = ::sched_getcpu();
      mask = affinity_of(0);
    });
    thread.join();
    EXPECT_EQ(seen, cpu);
    EXPECT_EQ(mask, std::vector<int>{cpu});
  }
}

// Returns the CPUs that a thread started with `cpu` may use.
std::vector<int> cpus_of_a_thread(std::optional<int> cpu = {}) {
  std::vector<int> mask;
  NamedThread({.name = "masked", .cpu = cpu}, [&mask] { mask = affinity_of(0); }).join();
  return mask;
}

TEST(NamedThread, MayUseTheCpusOfTheProcessWhenItsCreatorIsPinned) {
  const std::vector<int> all = usable_cpus();
  for (const int cpu : all) {
    std::thread([&] {
      pin_this_thread(cpu);
      EXPECT_EQ(cpus_of_a_thread(), all);
      EXPECT_EQ(cpus_of_a_thread(all.back()), std::vector<int>{all.back()});
      EXPECT_EQ(affinity_of(0), std::vector<int>{cpu}) << "the creator stays where it is";
    }).join();
  }
}

TEST(NamedThread, LeavesPlainThreadsTheCpusOfTheirCreator) {
  const int cpu = usable_cpus().front();
  NamedThread({.name = "pinned", .cpu = cpu}, [&] {
    std::thread([&] { EXPECT_EQ(affinity_of(0), std::vector<int>{cpu}); }).join();
  }).join();
}

TEST(NamedThread, MayUseAllTheCpusOfItsCreatorWhenTheMainThreadIsPinned) {
  if (usable_cpus().size() == 1) GTEST_SKIP() << "one CPU only";
  const pid_t child = ::fork();
  if (child == 0) {
    const std::vector<int> all = usable_cpus();
    std::latch pinned(1);
    std::vector<int> seen;
    std::thread creator([&] {
      pinned.wait();
      seen = cpus_of_a_thread();
    });
    pin_this_thread(all.front());
    pinned.count_down();
    creator.join();
    ::_exit(seen == all ? 0 : 1);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(NamedThread, IsNotStartedWhenItCannotBePinned) {
  for (const int cpu : {-1, 5'000, 100'000'000}) {
    const auto shared = std::make_shared<int>();
    try {
      const NamedThread thread({.name = "stray", .cpu = cpu}, [p = shared] { FAIL(); });
      FAIL() << cpu;
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code(), std::errc::invalid_argument);
      const std::string message = error.what();
      EXPECT_NE(message.find("\"stray\""), std::string::npos) << message;
      EXPECT_NE(message.find("CPU " + std::to_string(cpu) + ":"), std::string::npos) << message;
    }
    EXPECT_EQ(shared.use_count(), 1);
  }
}

TEST(NamedThread, RefusesANullBody) {
  EXPECT_THROW(NamedThread({.name = "null", .cpu = {}}, nullptr), std::invalid_argument);
}

TEST(NamedThread, Rel_E10_HasTheSignalMaskOfItsCreator) {
  sigset_t before = mask_of_this_thread();
  sigset_t wanted;
  ::sigemptyset(&wanted);
  ::sigaddset(&wanted, SIGUSR1);
  ::pthread_sigmask(SIG_SETMASK, &wanted, nullptr);
  sigset_t mask;
  ::sigemptyset(&mask);
  NamedThread thread({.name = "plain"}, [&mask] { mask = mask_of_this_thread(); });
  thread.join();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    EXPECT_EQ(::sigismember(&mask, signal) == 1, signal == SIGUSR1) << signal;
  }
}

TEST(NamedThread, Rel_E10_BlocksAllButTheSynchronousSignalsIfToldTo) {
  sigset_t mask;
  ::sigemptyset(&mask);
  NamedThread thread({.name = "masked", .block_signals = true},
                     [&mask] { mask = mask_of_this_thread(); });
  thread.join();
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    // The C library reserves two signals below SIGRTMIN; SIGKILL and SIGSTOP cannot be blocked.
    if (signal == SIGKILL || signal == SIGSTOP || (signal > SIGSYS && signal < SIGRTMIN)) continue;
    EXPECT_EQ(::sigismember(&mask, signal) == 0, is_synchronous(signal)) << signal;
  }
}

TEST(NamedThread, LeavesTheMaskOfItsCreatorAsItWas) {
  sigset_t before = mask_of_this_thread();
  {
    const NamedThread thread({.name = "mask", .cpu = {}}, [] {});
  }
  try {
    const NamedThread thread({.name = "mask", .cpu = -1}, [] {});
    FAIL();
  } catch (const std::system_error&) {
  }
  sigset_t after = mask_of_this_thread();
  for (int signal = 1; signal <= SIGRTMAX; ++signal) {
    EXPECT_EQ(::sigismember(&before, signal), ::sigismember(&after, signal)) << signal;
  }
}

TEST(NamedThread, CannotJoinItself) {
  std::latch made(1);
  NamedThread* self = nullptr;
  std::string message;
  std::error_code code;
  NamedThread thread({.name = "self", .cpu = {}}, [&] {
    made.wait();
    try {
      self->join();
    } catch (const std::system_error& error) {
      code = error.code();
      message = error.what();
    }
  });
  self = &thread;
  made.count_down();
  thread.join();
  EXPECT_EQ(code, std::errc::resource_deadlock_would_occur);
  EXPECT_NE(message.find("(self)"), std::string::npos) << message;
}

TEST(NamedThread, IsJoinedOnce) {
  NamedThread thread({.name = "once", .cpu = {}}, [] {});
  thread.join();
  try {
    thread.join();
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::invalid_argument);
  }
}

// Like pthread_cancel(), pthread_exit() unwinds with an exception that must not be swallowed.
TEST(NamedThread, MayEndItselfByPthreadExit) {
  const auto shared = std::make_shared<int>();
  bool went_on = false;
  {
    const NamedThread thread({.name = "exits", .cpu = {}}, [&, p = shared] {
      const std::shared_ptr<int> on_the_stack = p;
      if (on_the_stack) ::pthread_exit(nullptr);
      went_on = true;
    });
  }
  EXPECT_FALSE(went_on);
  EXPECT_EQ(shared.use_count(), 1);
}

TEST(NamedThread, IsNotJoinedInAForkedChild) {
  std::latch end(1);
  auto thread = std::make_unique<NamedThread>(NamedThread::Options{.name = "parent", .cpu = {}},
                                              [&end] { end.wait(); });
  const pid_t child = ::fork();
  if (child == 0) {
    const bool joinable = thread->joinable();
    thread.reset();  // would wait for ever
    ::_exit(joinable ? 1 : 0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(thread->joinable());
  end.count_down();
}

using NamedThreadDeathTest = ::testing::Test;

TEST(NamedThreadDeathTest, TerminatesWithItsNameWhenAnExceptionEscapes) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(NamedThread({.name = "thrower-7", .cpu = {}},
                           [] { throw std::runtime_error("out of the body"); }),
               "escaped from thread [0-9]+ \\(thrower-7\\)");
}

// A child limits its address space, so creating a thread really fails: at the latest when the C
// library has used up the stacks it keeps of ended threads.
TEST(NamedThread, NamesItselfAndTheLimitsWhenItCannotBeCreated) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers reserve the address space that this test takes away";
#endif
  const pid_t child = ::fork();
  if (child == 0) {
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    const rlim_t now = pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
    const rlimit no_room_for_a_stack{now + (rlim_t{1} << 20), RLIM_INFINITY};
    if (::setrlimit(RLIMIT_AS, &no_room_for_a_stack) != 0) ::_exit(2);
    std::vector<std::unique_ptr<NamedThread>> threads;
    try {
      for (int i = 0; i < 100; ++i) {
        threads.push_back(std::make_unique<NamedThread>(
            NamedThread::Options{.name = "unborn", .cpu = {}}, [] { ::pause(); }));
      }
    } catch (const std::system_error& error) {
      const std::string message = error.what();
      const bool clear = error.code() == std::errc::resource_unavailable_try_again &&
                         message.find("\"unborn\"") != std::string::npos &&
                         message.find("ulimit") != std::string::npos;
      ::_exit(clear ? 0 : 3);
    }
    ::_exit(4);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace zmqloop
