// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/host/usable_cores.h"

#include <atomic>
#include <fstream>
#include <sched.h>
#include <string>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "zmqloop/threading/host/cpu_set.h"

namespace zmqloop {
namespace {

// Runs `f` in a child process, so that its changes to masks stay there; returns its exit code.
template <class F>
int in_child(F f) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(f());
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string message_of_pinning_to(int cpu) {
  try {
    pin_this_thread(cpu);
  } catch (const std::system_error& error) {
    return error.what();
  }
  return "";
}

TEST(UsableCores, AreAtLeastOneAndAtMostTheMask) {
  EXPECT_GE(usable_cores(), 1u);
  EXPECT_LE(usable_cores(), usable_cpus().size());
}

TEST(UsableCores, Rel_O1_AreCappedByTheQuotaRoundedUp) {
  EXPECT_EQ(usable_cores(8, std::nullopt), 8u);
  EXPECT_EQ(usable_cores(8, 0.2), 1u);
  EXPECT_EQ(usable_cores(8, 1.0), 1u);
  EXPECT_EQ(usable_cores(8, 1.01), 2u);
  EXPECT_EQ(usable_cores(8, 7.5), 8u);
  EXPECT_EQ(usable_cores(8, 64.0), 8u);
  EXPECT_EQ(usable_cores(8, 1e300), 8u);
  EXPECT_EQ(usable_cores(0, std::nullopt), 1u);
}

TEST(UsableCores, FollowTheMaskOfTheProcess) {
  const int last = usable_cpus().back();
  EXPECT_EQ(in_child([last] {
              pin_this_thread(last);  // the child's main thread
              return usable_cpus() == std::vector<int>{last} && usable_cores() == 1 ? 0 : 1;
            }),
            0);
}

TEST(UsableCores, AreNotChangedByPinningAnotherThread) {
  const std::vector<int> before = usable_cpus();
  std::thread([&before] {
    pin_this_thread(before.front());
    EXPECT_EQ(usable_cpus(), before);
  }).join();
}

// The state of the process's main thread, as in ps: 'Z' once it has ended.
char state_of_main_thread() {
  const std::string pid = std::to_string(::getpid());
  std::ifstream file("/proc/self/task/" + pid + "/stat");
  std::string text;
  std::getline(file, text);
  const std::size_t end_of_name = text.rfind(')');
  return end_of_name + 2 < text.size() ? text[end_of_name + 2] : '?';
}

TEST(UsableCores, AreKnownAfterTheMainThreadHasEnded) {
  EXPECT_EQ(in_child([] {
              const std::vector<int> before = usable_cpus();
              std::thread([before] {
                while (state_of_main_thread() != 'Z') sched_yield();
                ::_exit(usable_cpus() == before ? 0 : 1);
              }).detach();
              ::syscall(SYS_exit, 0);  // ends this thread alone
              return 2;
            }),
            0);
}

// ---- CPUs that a thread may not use ----

bool may_use_several_cpus() { return usable_cpus().size() > 1; }

TEST(CpusBeyondThisThreads, AreNoneOfAThreadThatMayUseAll) {
  EXPECT_TRUE(cpus_beyond_this_threads().empty()) << "the main thread";
  std::thread([] { EXPECT_TRUE(cpus_beyond_this_threads().empty()); }).join();
}

TEST(CpusBeyondThisThreads, AreThoseOfTheProcessOnAPinnedThread) {
  if (!may_use_several_cpus()) GTEST_SKIP() << "one CPU only";
  for (const int cpu : usable_cpus()) {
    std::thread([cpu] {
      pin_this_thread(cpu);
      EXPECT_EQ(cpus_beyond_this_threads(), usable_cpus());
    }).join();
  }
}

TEST(CpusBeyondThisThreads, AreNoneWhereTheProcessItselfIsPinned) {
  const int last = usable_cpus().back();
  EXPECT_EQ(in_child([last] {
              pin_this_thread(last);  // the child's main thread
              if (!cpus_beyond_this_threads().empty()) return 1;
              bool none = false;
              std::thread([&] { none = cpus_beyond_this_threads().empty(); }).join();
              return none ? 0 : 2;
            }),
            0);
}

// A program may pin just its main thread: the other threads keep their CPUs.
TEST(CpusBeyondThisThreads, AreNoneOfAThreadThatMayUseMoreThanTheMainThread) {
  if (!may_use_several_cpus()) GTEST_SKIP() << "one CPU only";
  EXPECT_EQ(in_child([] {
              bool none = false;
              std::atomic<bool> pinned{false};
              std::thread wide([&] {
                while (!pinned) sched_yield();
                none = cpus_beyond_this_threads().empty();
              });
              pin_this_thread(usable_cpus().front());
              pinned = true;
              wide.join();
              return none ? 0 : 1;
            }),
            0);
}

TEST(CpusBeyondThisThreads, AreNotThoseOfAMainThreadThatHasEnded) {
  EXPECT_EQ(in_child([] {
              const std::vector<int> all = usable_cpus();
              std::thread([all] {
                while (state_of_main_thread() != 'Z') sched_yield();
                if (!cpus_beyond_this_threads().empty()) ::_exit(1);
                pin_this_thread(all.front());
                const std::vector<int> beyond = cpus_beyond_this_threads();
                ::_exit(beyond.empty() || beyond == all ? 0 : 2);
              }).detach();
              ::syscall(SYS_exit, 0);  // ends this thread alone
              return 3;
            }),
            0);
}

TEST(PinThisThread, LeavesOneCpu) {
  for (const int cpu : usable_cpus()) {
    std::thread([cpu] {
      pin_this_thread(cpu);
      EXPECT_EQ(affinity_of(0), std::vector<int>{cpu});
      EXPECT_EQ(::sched_getcpu(), cpu);
    }).join();
  }
}

TEST(PinThisThread, Rel_O2_RefusesACpuThatDoesNotExistAndNamesThoseThatDo) {
  for (const int cpu : {-1, 5'000, 100'000'000}) {
    const std::string message = message_of_pinning_to(cpu);
    EXPECT_NE(message.find("CPU " + std::to_string(cpu) + ":"), std::string::npos) << message;
    EXPECT_NE(message.find("may use CPU " + format_cpus(usable_cpus()) + ";"), std::string::npos)
        << message;
    EXPECT_NE(message.find("thread "), std::string::npos) << message;
  }
  EXPECT_FALSE(affinity_of(0).empty());
}

TEST(PinThisThread, ReportsTheKernelsReason) {
  try {
    pin_this_thread(-1);
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::invalid_argument);
  }
}

TEST(FormatCpus, WritesRangesAsTheKernelDoes) {
  EXPECT_EQ(format_cpus({}), "");
  EXPECT_EQ(format_cpus({3}), "3");
  EXPECT_EQ(format_cpus({0, 1}), "0-1");
  EXPECT_EQ(format_cpus({0, 1, 2, 5, 7, 8}), "0-2,5,7-8");
}

TEST(CpuSet, HoldsCpusBeyondTheClassicLimit) {
  CpuSet set(5'000);
  EXPECT_TRUE(set.cpus().empty());
  for (const int cpu : {0, 1'023, 1'024, 4'999}) set.add(cpu);
  EXPECT_EQ(set.cpus(), (std::vector<int>{0, 1'023, 1'024, 4'999}));
}

TEST(CpuSet, OfAThreadThatDoesNotExistIsEmpty) { EXPECT_TRUE(affinity_of(-1).empty()); }

}  // namespace
}  // namespace zmqloop
