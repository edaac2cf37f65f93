// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The CPUs that the library's threads may use: all CPUs of the process, even if a pinned thread
// makes them. Other threads and programs inherit the pin, as usual on Linux.

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <pthread.h>
#include <sched.h>
#include <string>
#include <sys/syscall.h>
#include <thread>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/process_facts.h"
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_pool.h"
#include "zmqloop/runtime/pool/loop_thread.h"
#include "zmqloop/threading/host/cpu_set.h"
#include "zmqloop/threading/host/named_thread.h"
#include "zmqloop/threading/host/usable_cores.h"

namespace zmqloop::testing {
namespace {

using Cpus = std::vector<int>;

Cpus cpus_here() { return affinity_of(0); }

// Makes a pool; returns the CPUs of each of its loops.
std::vector<Cpus> cpus_of_a_pool(std::optional<std::size_t> loops = {}, bool pin = false) {
  LoopPool::Options options;
  options.loops = loops;
  options.pin = pin;
  LoopPool pool(options);
  std::vector<Cpus> seen;
  for (std::size_t i = 0; i < pool.size(); ++i) seen.push_back(pool.loop(i).submit(cpus_here).get());
  return seen;
}
Cpus cpus_of_a_loop_thread(std::optional<int> cpu = {}) {
  LoopThread thread(LoopThread::Options{.cpu = cpu});
  return thread.loop().submit(cpus_here).get();
}
Cpus cpus_of_a_named_thread() {
  Cpus seen;
  NamedThread({.name = "named"}, [&seen] { seen = cpus_here(); }).join();
  return seen;
}
Cpus cpus_of_a_plain_thread() {
  Cpus seen;
  std::thread([&seen] { seen = cpus_here(); }).join();
  return seen;
}
// Asks a program to compare `cpus` with the kernel's list in its /proc/self/status.
bool program_may_use(const Cpus& cpus) {
  const std::string command =
      "grep -q \"^Cpus_allowed_list:[[:space:]]*" + format_cpus(cpus) + "$\" /proc/self/status";
  return std::system(command.c_str()) == 0;
}

// Calls `f` on a plain thread, which inherits the caller's CPUs, and waits for it. For callbacks: a
// loop's thread itself must not wait for futures.
template <class F>
auto on_a_plain_thread(F f) {
  decltype(f()) result;
  std::thread([&] { result = f(); }).join();
  return result;
}

class CpusOfThreads : public ::testing::Test {
 protected:
  void SetUp() override {
    if (all_.size() == 1) GTEST_SKIP() << "one CPU only";
  }

  const LoopWatchdog watchdog_;
  const Cpus all_ = usable_cpus();
};

TEST_F(CpusOfThreads, AreThoseOfTheProcessForAPoolThatAPinnedLoopsThreadMakes) {
  for (const int cpu : all_) {
    LoopThread pinned(LoopThread::Options{.cpu = cpu});
    const auto seen =
        pinned.loop().submit([] { return on_a_plain_thread([] { return cpus_of_a_pool(); }); }).get();
    EXPECT_EQ(seen, std::vector<Cpus>(usable_cores(), all_));
    EXPECT_EQ(pinned.loop().submit(cpus_here).get(), Cpus{cpu}) << "its own are as they were";
  }
}

// Failures: O9
TEST_F(CpusOfThreads, AreThoseOfTheProcessForWhatACallbackItselfMakes) {
  LoopThread pinned(LoopThread::Options{.cpu = all_.back()});
  const auto pool = pinned.loop().submit([] { return std::make_shared<LoopPool>(); }).get();
  const auto thread = pinned.loop().submit([] { return std::make_shared<LoopThread>(); }).get();
  EXPECT_EQ(pool->size(), usable_cores());
  for (std::size_t i = 0; i < pool->size(); ++i) {
    EXPECT_EQ(pool->loop(i).submit(cpus_here).get(), all_);
  }
  EXPECT_EQ(thread->loop().submit(cpus_here).get(), all_);
  EXPECT_EQ(pinned.loop().submit(cpus_of_a_named_thread).get(), all_);
}

TEST_F(CpusOfThreads, AreDealtInTurnToAPinnedPoolThatAPinnedLoopsThreadMakes) {
  LoopThread pinned(LoopThread::Options{.cpu = all_.back()});
  const auto seen = pinned.loop()
                        .submit([this] {
                          return on_a_plain_thread([this] {
                            return cpus_of_a_pool(2 * all_.size(), /*pin=*/true);
                          });
                        })
                        .get();
  ASSERT_EQ(seen.size(), 2 * all_.size());
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], Cpus{all_[i % all_.size()]});
}

TEST_F(CpusOfThreads, AreAsAskedForOfALoopThreadThatAPinnedOneMakes) {
  LoopThread pinned(LoopThread::Options{.cpu = all_.back()});
  EXPECT_EQ(pinned.loop()
                .submit([this] {
                  return on_a_plain_thread([this] { return cpus_of_a_loop_thread(all_.front()); });
                })
                .get(),
            Cpus{all_.front()});
}

TEST_F(CpusOfThreads, AreThoseOfTheProcessOnAThreadThatItsOwnerHasPinned) {
  std::thread([this] {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(all_.front()), &one);
    ASSERT_EQ(::pthread_setaffinity_np(::pthread_self(), sizeof one, &one), 0);
    EXPECT_EQ(cpus_of_a_pool(), std::vector<Cpus>(usable_cores(), all_));
    EXPECT_EQ(cpus_of_a_loop_thread(), all_);
    EXPECT_EQ(cpus_of_a_named_thread(), all_);
    IOLoop loop;  // a loop of this thread's own runs on this thread's CPU
    EXPECT_EQ(loop.run_sync(cpus_here), Cpus{all_.front()});
    EXPECT_EQ(cpus_here(), Cpus{all_.front()});
  }).join();
}

TEST_F(CpusOfThreads, ArePinnedWithTheLoopsThreadForPlainThreadsAndPrograms) {
  for (const int cpu : all_) {
    LoopThread pinned(LoopThread::Options{.cpu = cpu});
    EXPECT_EQ(pinned.loop().submit(cpus_of_a_plain_thread).get(), Cpus{cpu});
    EXPECT_TRUE(pinned.loop().submit([cpu] { return program_may_use({cpu}); }).get());
  }
  LoopThread free;
  EXPECT_EQ(free.loop().submit(cpus_of_a_plain_thread).get(), all_);
  EXPECT_TRUE(free.loop().submit([this] { return program_may_use(all_); }).get());
}

TEST_F(CpusOfThreads, AreThoseOfTheProcessForTheWatchdogThatAPinnedLoopStarts) {
  LoopThread pinned(LoopThread::Options{.cpu = all_.back()});
  pinned.loop().submit([&] { pinned.loop().set_blocking_log_threshold(1h); }).get();
  pid_t watchdog = 0;
  EXPECT_TRUE(eventually([&] {
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      const pid_t id = std::stoi(task.path().filename());
      if (thread_status(id, "Name") == "zmqloop-stalls") watchdog = id;
    }
    return watchdog != 0;
  }));
  EXPECT_EQ(affinity_of(watchdog), all_);
}

// ---- the process's own -----------------------------------------------------------------------

#if !defined(__SANITIZE_THREAD__)  // it does not see threads end in a forked child
TEST_F(CpusOfThreads, AreNoMoreThanTheProcessHas) {
  for (const int cpu : all_) {
    const ChildResult child = run_in_child([cpu] {
      pin_this_thread(cpu);  // the child's main thread, as taskset does
      const Cpus one = {cpu};
      ZMQLOOP_CHILD_EXPECT(usable_cores() == 1);
      ZMQLOOP_CHILD_EXPECT(cpus_of_a_pool() == std::vector<Cpus>{one});
      ZMQLOOP_CHILD_EXPECT(cpus_of_a_pool(3) == std::vector<Cpus>(3, one));
      ZMQLOOP_CHILD_EXPECT(cpus_of_a_pool(3, true) == std::vector<Cpus>(3, one));
      ZMQLOOP_CHILD_EXPECT(cpus_of_a_loop_thread() == one);
      LoopThread thread(LoopThread::Options{.cpu = cpu});
      ZMQLOOP_CHILD_EXPECT(thread.loop()
                               .submit([] { return on_a_plain_thread([] { return cpus_of_a_pool(2); }); })
                               .get() == std::vector<Cpus>(2, one));
      return 0;
    });
    EXPECT_TRUE(child.ok()) << child;
  }
}

// A program may pin its main thread for its own reasons, which must not pin the library's threads.
TEST_F(CpusOfThreads, AreAllOfTheMakersWhereTheMainThreadIsPinned) {
  const ChildResult child = run_in_child([this] {
    LoopThread thread;
    thread.loop().submit([] {}).get();
    pin_this_thread(all_.front());
    ZMQLOOP_CHILD_EXPECT(thread.loop().submit(cpus_of_a_named_thread).get() == all_);
    ZMQLOOP_CHILD_EXPECT(
        thread.loop()
            .submit([] { return on_a_plain_thread([] { return cpus_of_a_pool(2); }); })
            .get() == std::vector<Cpus>(2, all_));
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
}

TEST_F(CpusOfThreads, AreThoseOfTheMakerTooWhereTheMainThreadIsPinnedToOthers) {
  const ChildResult child = run_in_child([this] {
    pin_this_thread(all_.front());
    const auto seen = on_a_plain_thread([this] {
      pin_this_thread(all_.back());
      return cpus_of_a_pool(2);
    });
    const Cpus both{all_.front(), all_.back()};
    ZMQLOOP_CHILD_EXPECT(seen == std::vector<Cpus>(2, both));
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
}

// Ends the calling thread as main() may. Uses a stack of its own, as pthread_exit() unwinds by an
// exception, and GoogleTest lets none pass.
void end_this_thread_by_pthread_exit() {
  static char stack[65'536];
  static ucontext_t context;
  static ucontext_t unused;
  ::getcontext(&context);
  context.uc_stack.ss_sp = stack;
  context.uc_stack.ss_size = sizeof stack;
  ::makecontext(&context, [] { ::pthread_exit(nullptr); }, 0);
  ::swapcontext(&unused, &context);
}

// Some programs end their main thread and go on with others.
TEST_F(CpusOfThreads, AreUsedAfterTheMainThreadHasEnded) {
  for (const bool by_pthread_exit : {false, true}) {
#if defined(__SANITIZE_ADDRESS__)
    if (by_pthread_exit) continue;  // AddressSanitizer knows no second stack of a thread
#endif
    const ChildResult child = run_in_child([&] {
      const pid_t main_thread = ::getpid();
      std::thread([this, main_thread] {
        while (thread_status(main_thread, "State").rfind('Z', 0) != 0) ::sched_yield();
        const auto check = [this] {
          ZMQLOOP_CHILD_EXPECT(usable_cpus() == all_);
          ZMQLOOP_CHILD_EXPECT(cpus_of_a_loop_thread() == all_);
          ZMQLOOP_CHILD_EXPECT(cpus_of_a_pool() == std::vector<Cpus>(usable_cores(), all_));
          LoopThread pinned(LoopThread::Options{.cpu = all_.back()});
          const Cpus named = pinned.loop().submit(cpus_of_a_named_thread).get();
          // The kernel may no longer report the CPUs of the ended main thread.
          ZMQLOOP_CHILD_EXPECT(named == all_ || named == Cpus{all_.back()});
          return 0;
        };
        ::_exit(check());
      }).detach();
      if (by_pthread_exit) end_this_thread_by_pthread_exit();
      ::syscall(SYS_exit, 0);  // ends only this thread
      return 97;
    });
    EXPECT_TRUE(child.ok()) << child << ", by pthread_exit: " << by_pthread_exit;
  }
}
#endif

}  // namespace
}  // namespace zmqloop::testing
