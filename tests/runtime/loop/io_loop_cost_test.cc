// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The costs that posting and idling must not have: allocations, system calls, wake-ups.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <errno.h>
#include <fstream>
#include <functional>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

#include "tests/support/child_process.h"
#include "tests/support/counted_memory.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/process_facts.h"
#include "tests/support/zmq_fixture.h"
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_thread.h"
#include "zmqloop/threading/host/thread_label.h"

namespace zmqloop::testing {
namespace {

volatile sig_atomic_t system_calls = 0;

// Makes each system call of this thread raise SIGSYS instead, except exit_group and rt_sigreturn.
[[maybe_unused]] bool trap_system_calls() {
  struct sigaction action = {};
  action.sa_handler = [](int) { system_calls = system_calls + 1; };
  ::sigaction(SIGSYS, &action, nullptr);
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_rt_sigreturn, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_exit_group, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program = {sizeof code / sizeof code[0], code};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// A callable as large as a queue's slot.
struct Largest {
  std::atomic<std::uint64_t>* run;
  std::uint64_t payload[5];
  void operator()() const { run->fetch_add(1); }
};
static_assert(sizeof(Largest) == 48);

// Time limit. Two threads that wait for each other without system calls are slow on a busy core.
[[maybe_unused]] constexpr unsigned kSeconds = 600;

class IOLoopCost : public OnBothPollers {
 protected:
  static LoopThread::Options thread_options() {
    LoopThread::Options of_thread;
    of_thread.loop = options("worker");
    return of_thread;
  }

  // Keeps a loop awake by a callback that posts itself. The constructor returns after so many posts
  // that its lane has grown to full size.
  struct Awake {
    explicit Awake(IOLoop& to_keep) : loop(to_keep) {
      loop.add_callback(std::ref(*this));
      while (runs < 10'000) std::this_thread::yield();
    }
    // The last self-post may come after the first submit() has run, but not after the second.
    ~Awake() {
      let_go = true;
      for (int i = 0; i < 2; ++i) loop.submit([] {}).get();
    }
    void operator()() {
      ++runs;
      if (!let_go) loop.add_callback(std::ref(*this));
    }
    IOLoop& loop;
    std::atomic<int> runs{0};
    std::atomic<bool> let_go{false};
  };

  // Posts in small bursts, each after the previous burst has run.
  static void post_bursts(IOLoop& loop, std::atomic<std::uint64_t>& run) {
    for (int burst = 0; burst < 100; ++burst) {
      const std::uint64_t all = run + 64;
      for (int i = 0; i < 64; ++i) loop.add_callback(Largest{&run, {}});
      while (run != all) {
      }
    }
  }
};
ZMQLOOP_ON_BOTH_POLLERS(IOLoopCost);

TEST_P(IOLoopCost, OfAPostToAnAwakeLoopIsNoAllocation) {
  std::atomic<std::uint64_t> run{0};
  LoopThread thread(thread_options());
  Awake awake(thread.loop());
  post_bursts(thread.loop(), run);
  const std::uint64_t loops_before =
      thread.loop().submit([] { return allocations_of_this_thread; }).get();
  const std::uint64_t before = allocations_of_this_thread;
  post_bursts(thread.loop(), run);
  EXPECT_EQ(allocations_of_this_thread, before);
  std::atomic<std::uint64_t> loops_after{0};
  std::atomic<bool> told{false};
  thread.loop().add_callback([&] {
    loops_after = allocations_of_this_thread;
    told = true;
  });
  while (!told) {
  }
  EXPECT_EQ(loops_after, loops_before) << "nor does running them allocate";
}

TEST_P(IOLoopCost, OfASelfPostIsNoAllocation) {
  std::uint64_t before = 0;
  std::uint64_t after = 0;
  int rounds = 0;
  std::function<void()> again = [&] {
    if (++rounds == 20'000) before = allocations_of_this_thread;
    if (rounds == 40'000) {
      after = allocations_of_this_thread;
      return loop_.stop();
    }
    loop_.add_callback(std::ref(again));
  };
  loop_.add_callback(std::ref(again));
  loop_.start();
  EXPECT_EQ(after, before);
}

TEST_P(IOLoopCost, OfTimersThatComeAndGoIsNoAllocation) {
  std::uint64_t before = 0;
  std::uint64_t after = 0;
  int rounds = 0;
  std::function<void()> again = [&] {
    loop_.remove_timeout(loop_.add_timeout(1h, [] {}));
    if (++rounds == 1'000) before = allocations_of_this_thread;
    if (rounds == 10'000) {
      after = allocations_of_this_thread;
      return loop_.stop();
    }
    loop_.add_timeout(0s, std::ref(again));
  };
  loop_.add_timeout(0s, std::ref(again));
  loop_.start();
  EXPECT_EQ(after, before);
}

#if !defined(__SANITIZE_THREAD__) && \
    !defined(__SANITIZE_ADDRESS__)  // they make system calls of their own
TEST_P(IOLoopCost, OfAPostToAnAwakeLoopIsNoSystemCall) {
  const ChildResult child = run_in_child(
      [] {
        std::atomic<std::uint64_t> run{0};
        LoopThread thread(thread_options());
        Awake awake(thread.loop());
        post_bursts(thread.loop(), run);
        ZMQLOOP_CHILD_EXPECT(trap_system_calls());
        ::syscall(SYS_getppid);
        if (system_calls != 1) return 2;  // the trap does not work
        post_bursts(thread.loop(), run);
        ::_exit(system_calls == 1 ? 0 : 3);
      },
      &fork_at_rest, kSeconds);
  EXPECT_TRUE(child.ok()) << child << ": 2 no trap, 3 a post made a system call";
}
#endif

// ---- idling ----

// Returns the scheduler's letter for a thread: 'S' when it sleeps.
char scheduler_state(pid_t thread) {
  return thread_status(thread, "State").substr(0, 1).c_str()[0];
}

// Waits until the loop's thread was seen asleep 1,000 consecutive times, without an iteration.
bool falls_asleep(pid_t thread, IOLoop& loop) {
  std::uint64_t iterations = loop.stats().iterations;
  int asleep = 0;
  return eventually([&] {
    const bool still = scheduler_state(thread) == 'S' && loop.stats().iterations == iterations;
    iterations = loop.stats().iterations;
    asleep = still ? asleep + 1 : 0;
    return asleep == 1'000;
  });
}

// Needs real time: it measures a while in which nothing happens.
TEST_P(IOLoopCost, Rel_K8_OfAnIdleLoopIsNoIterationAndNoWakeUp) {
  LoopThread thread(thread_options());
  const pid_t id = thread.loop().submit([] { return current_thread_id(); }).get();
  ASSERT_TRUE(falls_asleep(id, thread.loop()));
  const std::uint64_t iterations = thread.loop().stats().iterations;
  const std::string switches = thread_status(id, "voluntary_ctxt_switches");
  loop_.add_timeout(400ms, [&] { loop_.stop(); });
  loop_.start();
  EXPECT_EQ(thread.loop().stats().iterations, iterations);
  EXPECT_EQ(thread_status(id, "voluntary_ctxt_switches"), switches);
}

TEST_P(IOLoopCost, OfAnIdleLoopWithHandlersAndTimersIsNoIteration) {
  zmq::context_t context;
  SocketPair pair(context, zmq::socket_type::pair, zmq::socket_type::pair);
  const OwnedFd event = make_event();
  LoopThread thread(thread_options());
  const pid_t id = thread.loop()
                       .submit([&] {
                         thread.loop().add_handler(
                             event.get(), [] {}, Events::kRead);
                         thread.loop().add_handler(
                             pair.near, [] {}, Events::kRead);
                         thread.loop().add_timeout(1h, [] {});
                         thread.loop().add_timeout(Duration::max(), [] {});
                         return current_thread_id();
                       })
                       .get();
  ASSERT_TRUE(falls_asleep(id, thread.loop()));
  const std::uint64_t iterations = thread.loop().stats().iterations;
  loop_.add_timeout(400ms, [&] { loop_.stop(); });
  loop_.start();
  EXPECT_EQ(thread.loop().stats().iterations, iterations);
  thread.loop().submit([&] { thread.loop().remove_handler(pair.near); }).get();
}

}  // namespace
}  // namespace zmqloop::testing
