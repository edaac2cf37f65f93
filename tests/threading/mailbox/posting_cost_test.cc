// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A post must cost neither memory nor system calls. This program counts its allocations, and runs
// posts while every system call is fatal.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <memory>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "tests/support/counted_memory.h"
#include "tests/support/mailbox_consumer.h"
#include <gtest/gtest.h>

#include "zmqloop/threading/mailbox/mailbox.h"

namespace zmqloop {
namespace {

using testing::allocations;
using testing::run_batch;

struct FortyEightBytes {
  std::uint64_t* sum;
  std::uint64_t content[5];
  void operator()() const { *sum += content[4]; }
};
static_assert(sizeof(FortyEightBytes) == 48);

// Posts and takes, at most `burst` posts at a time; returns the sum that the callables built up.
std::uint64_t post_and_take(Mailbox& mailbox, int rounds, int burst) {
  std::uint64_t sum = 0;
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < burst; ++i) {
      static_cast<void>(mailbox.post(FortyEightBytes{&sum, {0, 0, 0, 0, 1}}));
    }
    run_batch(mailbox);
  }
  return sum;
}

constexpr int kSomeMemory = 600;  // posts in flight for which a lane keeps segments

TEST(PostingCost, CountsAllocationsHere) {
  const std::uint64_t before = allocations.load();
  ::operator delete(::operator new(1));  // no compiler may elide this call
  EXPECT_EQ(allocations.load(), before + 1);
}

TEST(PostingCost, IsNoAllocationForAConsumerThatKeepsUp) {
  Mailbox mailbox(0);
  post_and_take(mailbox, 100, kSomeMemory);
  const std::uint64_t before = allocations.load();
  EXPECT_EQ(post_and_take(mailbox, 1'000, kSomeMemory), 600'000u);
  EXPECT_EQ(post_and_take(mailbox, 100'000, 1), 100'000u);
  EXPECT_EQ(allocations.load(), before);
}

// Lanes are merged when posts of several threads wait at the same time, which happens on a busy
// machine sooner or later.
TEST(PostingCost, IsNoAllocationWhenTheLanesOfAFewThreadsAreMergedForTheFirstTime) {
  constexpr int kThreads = 8;
  Mailbox mailbox(0);
  std::latch posted(kThreads);
  std::latch taken(1);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      static_cast<void>(mailbox.post([] {}));
      posted.count_down();
      taken.wait();  // keeps its lane, which another thread would inherit
    });
  }
  posted.wait();
  const std::uint64_t before = allocations.load();
  EXPECT_EQ(run_batch(mailbox), std::uint64_t{kThreads});
  EXPECT_EQ(allocations.load(), before);
  taken.count_down();
  for (std::thread& thread : threads) thread.join();
}

TEST(PostingCost, IsNoAllocationForASignalPost) {
  Mailbox mailbox(64);
  static_cast<void>(mailbox.post_from_signal([] {}));
  run_batch(mailbox);
  const std::uint64_t before = allocations.load();
  for (int round = 0; round < 1'000; ++round) {
    for (int i = 0; i < 64; ++i) {
      EXPECT_EQ(mailbox.post_from_signal([] {}), PostResult::kAccepted);
    }
    EXPECT_EQ(run_batch(mailbox), 64u);
  }
  EXPECT_EQ(allocations.load(), before);
}

TEST(PostingCost, IsOneAllocationForALargeCallable) {
  Mailbox mailbox(0);
  post_and_take(mailbox, 100, kSomeMemory);
  std::uint64_t sum = 0;
  const std::uint64_t before = allocations.load();
  for (int i = 0; i < 100; ++i) {
    static_cast<void>(mailbox.post([callable = FortyEightBytes{&sum, {}}, i] {
      callable();
      static_cast<void>(i);
    }));
    run_batch(mailbox);
  }
  EXPECT_EQ(allocations.load(), before + 100);
}

TEST(PostingCost, IsNoAllocationForARefusal) {
  Mailbox mailbox(1);
  static_cast<void>(mailbox.post([] {}));
  mailbox.close();
  const std::uint64_t before = allocations.load();
  for (int i = 0; i < 10'000; ++i) {
    EXPECT_EQ(mailbox.post([] {}), PostResult::kRefused);
    EXPECT_EQ(mailbox.post_from_signal([] {}), PostResult::kRefused);
  }
  EXPECT_EQ(allocations.load(), before);
}

TEST(PostingCost, IsBoundedMemoryWithAConsumerOnAnotherThread) {
  Mailbox mailbox(0);
  constexpr int kPosts = 300'000;
  std::uint64_t sum = 0;
  const std::uint64_t before = allocations.load();
  std::thread consumer([&] {
    std::uint64_t run = 0;
    for (testing::Backoff backoff; run < kPosts;) {
      const std::uint64_t now = run_batch(mailbox);
      run += now;
      if (now == 0) backoff.step();
    }
  });
  for (int i = 0; i < kPosts; ++i) {
    static_cast<void>(mailbox.post(FortyEightBytes{&sum, {0, 0, 0, 0, 1}}));
    for (testing::Backoff backoff; mailbox.pending() > kSomeMemory / 2;) backoff.step();
  }
  consumer.join();
  EXPECT_EQ(sum, std::uint64_t{kPosts});
  // Segments of a young lane and those in circulation, not one for every 128 posts.
  EXPECT_LE(allocations.load() - before, 64u);
}

// ---- system calls ----

// From here on, any system call of this thread except exit_group kills the process with SIGSYS.
bool forbid_system_calls() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  const sock_fprog program{sizeof(filter) / sizeof(filter[0]), filter};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// A sanitizer's run-time library makes system calls of its own at any time.
constexpr bool kInstrumented =
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    true;
#else
    false;
#endif

constexpr int kCouldNotForbid = 77;

// In a child, runs `prepare`, then `f` while system calls are fatal; returns its wait status.
template <class Prepare, class F>
int status_without_system_calls(Prepare prepare, F f) {
  const pid_t child = ::fork();
  if (child == 0) {
    prepare();
    if (!forbid_system_calls()) ::_exit(kCouldNotForbid);
    ::_exit(f());
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

TEST(PostingCost, WouldBeNoticedIfItWereASystemCall) {
  const int status = status_without_system_calls([] {}, [] { return ::getppid() == 0 ? 1 : 0; });
  EXPECT_TRUE(WIFSIGNALED(status)) << "exit code " << WEXITSTATUS(status);
  EXPECT_EQ(WTERMSIG(status), SIGSYS);
}

TEST(PostingCost, IsNoSystemCallForAConsumerThatKeepsUp) {
  if (kInstrumented) GTEST_SKIP();
  Mailbox mailbox(64);
  const int status =
      status_without_system_calls([&] { post_and_take(mailbox, 100, kSomeMemory); },
                                  [&] {
                                    const bool all = post_and_take(mailbox, 1'000, 100) == 100'000u;
                                    for (int i = 0; i < 64; ++i) {
                                      if (mailbox.post_from_signal([] {}) != PostResult::kAccepted)
                                        return 1;
                                    }
                                    return all && run_batch(mailbox) == 64 ? 0 : 2;
                                  });
  EXPECT_TRUE(WIFEXITED(status)) << "killed by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(PostingCost, IsNoSystemCallForTheThreadThatPostsToAnother) {
  if (kInstrumented) GTEST_SKIP();
  Mailbox mailbox(0);
  std::uint64_t sum = 0;
  const int status = status_without_system_calls(
      [&] {
        post_and_take(mailbox, 100, kSomeMemory);
        // Started before the filter, which covers only the posting thread. Ends with the process.
        std::thread([&mailbox] {
          for (testing::Backoff backoff;;) {
            if (run_batch(mailbox) == 0) backoff.step();
          }
        }).detach();
      },
      [&] {
        for (int i = 0; i < 100'000; ++i) {
          if (mailbox.post(FortyEightBytes{&sum, {0, 0, 0, 0, 1}}) != PostResult::kAccepted)
            return 1;
          while (mailbox.pending() > kSomeMemory / 2) {
          }
        }
        return 0;
      });
  EXPECT_TRUE(WIFEXITED(status)) << "killed by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace zmqloop
