// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Ends of processes and threads that have loops: by exit(), called from anywhere, and with
// destructors and handlers that use loops to the very end.

#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <pthread.h>
#include <sched.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/zmq_fixture.h"
#include <gtest/gtest.h>

#include "zmqloop/runtime/callbacks/periodic_callback.h"
#include "zmqloop/runtime/core/idle_spin.h"
#include "zmqloop/runtime/pool/loop_pool.h"
#include "zmqloop/runtime/pool/loop_thread.h"
#include "zmqloop/runtime/tasks/task.h"
#include "zmqloop/threading/host/usable_cores.h"

// In a forked child, LeakSanitizer sees neither the stacks nor the variables of the parent's
// threads, and reports the memory they own as leaked.
static bool is_forked_child = false;
extern "C" int __lsan_is_turned_off() { return is_forked_child ? 1 : 0; }

// Otherwise ThreadSanitizer sleeps for a second in each exit().
extern "C" const char* __tsan_default_options() { return "atexit_sleep_ms=0"; }

namespace zmqloop::testing {
namespace {

constexpr int kCode = 7;  // the argument of exit()

// Runs `body` in a process of its own that has used no loop before. Unlike with run_in_child(), the
// process ends by exit() with the result of `body`, unless that calls exit() itself.
template <class F>
ChildResult end_of(F&& body) {
  std::fflush(nullptr);
  return run_in_child([&]() -> int { std::exit(body()); }, &::fork);
}

[[noreturn]] void wait_for_ever() {
  for (;;) ::pause();
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != text.npos; at += part.size()) ++found;
  return found;
}

template <class T>
std::string name_of(const ::testing::TestParamInfo<T>& tested) {
  return tested.param.name;
}

LoopThread::Options thread_options() {
  LoopThread::Options options;
  options.name = "ending";
  return options;
}

LoopPool::Options pool_options() {
  LoopPool::Options options;
  options.loops = 3;
  return options;
}

// ---- uses of loops at the end ----------------------------------------------------------------

#define ZMQLOOP_AT_END_EXPECT(condition)                                         \
  do {                                                                           \
    if (!(condition)) {                                                          \
      std::fprintf(stderr, "line %d: %s does not hold\n", __LINE__, #condition); \
      std::_Exit(98);                                                            \
    }                                                                            \
  } while (false)

// Uses loops in every way, and prints that it did.
void use_loops() {
  try {
    if (IOLoop* const current = IOLoop::current_or_null()) {
      ZMQLOOP_AT_END_EXPECT(!current->name().empty());
    }
    ZMQLOOP_AT_END_EXPECT(IOLoop::instance().run_sync([] { return 5; }) == 5);
    ZMQLOOP_AT_END_EXPECT(IOLoop::instance().add_callback([] {}));
    {
      IOLoop loop;
      loop.make_current();
      ZMQLOOP_AT_END_EXPECT(IOLoop::current_or_null() == &loop);
      std::thread([&] {
        loop.add_callback([&] { loop.call_later(0s, [&] { loop.stop(); }); });
      }).join();
      loop.start();
      ZMQLOOP_AT_END_EXPECT(loop.run_sync([&] { return IOLoop::current_or_null() == &loop; }));
    }
    ZMQLOOP_AT_END_EXPECT(IOLoop::current_or_null() == nullptr);
    LoopThread thread(thread_options());
    ZMQLOOP_AT_END_EXPECT(thread.loop().submit([] { return 1; }).get() == 1);
    LoopPool pool(pool_options());
    ZMQLOOP_AT_END_EXPECT(pool.submit([] { return 2; }).get() == 2);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "escaped: %s\n", error.what());
    std::_Exit(99);
  }
  std::fprintf(stderr, "used\n");
}

struct UsesLoopsAtItsEnd {
  UsesLoopsAtItsEnd() = default;
  UsesLoopsAtItsEnd(const UsesLoopsAtItsEnd&) = delete;
  UsesLoopsAtItsEnd& operator=(const UsesLoopsAtItsEnd&) = delete;
  ~UsesLoopsAtItsEnd() { use_loops(); }
  void touch() const {}
};

// Each call with a new `n` makes one object, of the process or of the thread.
template <int n>
void have_static_object() {
  static const UsesLoopsAtItsEnd object;
  object.touch();
}
template <int n>
void have_thread_local_object() {
  static thread_local const UsesLoopsAtItsEnd object;
  object.touch();
}

// ---- a program's first use of loops ----------------------------------------------------------

struct FirstUse {
  const char* name;
  void (*use)();
};
const FirstUse kFirstUses[] = {
    {"None", [] {}},
    {"ALoopMadeCurrent",
     [] {
       IOLoop loop;
       loop.make_current();
       loop.run_sync([] {});
     }},
    {"TheInstance", [] { IOLoop::instance().run_sync([] {}); }},
    {"TheInstanceThatIsCleared",
     [] {
       IOLoop::instance().run_sync([] {});
       IOLoop::clear_instance();
     }},
    {"APost",
     [] {
       IOLoop loop;
       loop.add_callback([] {});
     }},
    {"ALoopThread", [] { LoopThread(thread_options()).loop().submit([] {}).get(); }},
    {"AStaticLoopMadeCurrent",
     [] {
       static IOLoop loop;
       loop.make_current();
       loop.run_sync([] {});
     }},
    {"AStaticLoopPool",
     [] {
       static LoopPool pool(pool_options());
       pool.submit([] {}).get();
     }},
};

class ProcessEnd : public ::testing::TestWithParam<FirstUse> {
 protected:
  void first_use() const { GetParam().use(); }
};
INSTANTIATE_TEST_SUITE_P(FirstUses, ProcessEnd, ::testing::ValuesIn(kFirstUses),
                         &name_of<FirstUse>);

TEST_P(ProcessEnd, Rel_C8_LetsDestructorsOfStaticObjectsUseLoops) {
  const ChildResult process = end_of([&] {
    have_static_object<1>();
    first_use();
    have_static_object<2>();
    return kCode;
  });
  EXPECT_EQ(process.exit_code, kCode) << process;
  EXPECT_EQ(count(process.error_output, "used"), 2u) << process;
}

TEST_P(ProcessEnd, LetsExitHandlersUseLoops) {
  const ChildResult process = end_of([&] {
    std::atexit(&use_loops);
    first_use();
    std::atexit(&use_loops);
    return kCode;
  });
  EXPECT_EQ(process.exit_code, kCode) << process;
  EXPECT_EQ(count(process.error_output, "used"), 2u) << process;
}

TEST_P(ProcessEnd, LetsDestructorsOfTheMainThreadsOwnObjectsUseLoops) {
  const ChildResult process = end_of([&] {
    have_thread_local_object<1>();
    first_use();
    have_thread_local_object<2>();
    have_static_object<3>();
    return kCode;
  });
  EXPECT_EQ(process.exit_code, kCode) << process;
  EXPECT_EQ(count(process.error_output, "used"), 3u) << process;
}

TEST_P(ProcessEnd, LetsDestructorsOfAThreadsOwnObjectsUseLoops) {
  const ChildResult process = end_of([&] {
    std::thread([&] {
      have_thread_local_object<1>();
      first_use();
      have_thread_local_object<2>();
    }).join();
    return kCode;
  });
  EXPECT_EQ(process.exit_code, kCode) << process;
  EXPECT_EQ(count(process.error_output, "used"), 2u) << process;
}

TEST(ProcessEndOfALoopThread, LetsDestructorsOfTheThreadsOwnObjectsUseLoops) {
  const ChildResult process = end_of([] {
    LoopThread::Options options = thread_options();
    options.on_thread_start = [] { have_thread_local_object<1>(); };
    options.on_thread_end = [] { have_thread_local_object<2>(); };
    LoopThread thread(options);
    thread.loop().submit([] { have_thread_local_object<3>(); }).get();
    return kCode;
  });
  EXPECT_EQ(process.exit_code, kCode) << process;
  EXPECT_EQ(count(process.error_output, "used"), 3u) << process;
}

TEST(ProcessEndOfStaticLoops, IsThatOfAnyObject) {
  const ChildResult process = end_of([] {
    static IOLoop loop;
    static LoopThread thread(thread_options());
    static LoopPool pool(pool_options());
    static const PeriodicCallback periodic([] {}, 1h, &loop);
    loop.add_callback([] {});
    loop.add_timeout(1h, [] {});
    loop.make_current();
    loop.install();
    thread.loop().submit([] { IOLoop::current().add_timeout(1h, [] {}); }).get();
    pool.broadcast([](IOLoop& each) { each.add_callback([] {}); });
    return kCode;
  });
  EXPECT_EQ(process.exit_code, kCode) << process;
  EXPECT_EQ(process.error_output, "");
}

TEST(ProcessEndOfAThread, WithALoopOfItsOwnIsThatOfAnyObject) {
  const ChildResult process = end_of([] {
    const auto have_loops = [] {
      static thread_local IOLoop loop;
      static thread_local LoopThread thread(thread_options());
      loop.make_current();
      loop.run_sync([] {});
      loop.add_callback([] { thread.loop().add_callback([] {}); });
      thread.loop().submit([] {}).get();
    };
    std::thread(have_loops).join();
    have_loops();
    return kCode;
  });
  EXPECT_EQ(process.exit_code, kCode) << process;
  EXPECT_EQ(process.error_output, "");
}

// ---- exit() in a callback --------------------------------------------------------------------

[[noreturn]] void leave() { std::exit(kCode); }

// Ways in which a loop's thread comes to call exit().
struct Caller {
  const char* name;
  void (*arrange)(IOLoop& loop);  // on the loop's thread, or before it runs
};
Task<void> leave_later() {
  co_await sleep_for(0s);
  leave();
}
const Caller kCallers[] = {
    {"Callback", [](IOLoop& loop) { loop.add_callback(&leave); }},
    {"Timer", [](IOLoop& loop) { loop.add_timeout(0s, &leave); }},
    {"Handler",
     [](IOLoop& loop) {
       static const OwnedFd event = make_event(/*readable=*/true);
       loop.add_handler(event.get(), &leave, Events::kRead);
     }},
    {"SignalHandler",
     [](IOLoop& loop) {
       loop.add_signal_handler(SIGUSR1, &leave);
       std::raise(SIGUSR1);
     }},
    {"Task", [](IOLoop& loop) { spawn(loop, leave_later()); }},
    {"Destructor",
     [](IOLoop& loop) {
       loop.add_callback([leaves = std::make_shared<AtDestruction>(&leave)] {});
     }},
    {"Continuation",
     [](IOLoop& loop) {
       loop.add_callback([&] { loop.add_future(loop.submit([] {}), [](auto) { leave(); }); });
     }},
};

class ExitInACallback : public ::testing::TestWithParam<Caller> {
 protected:
  static void arrange(IOLoop& loop) { GetParam().arrange(loop); }
  static void arrange_on(LoopThread& thread) {
    thread.loop().add_callback([&] { arrange(thread.loop()); });
  }
};
INSTANTIATE_TEST_SUITE_P(Callers, ExitInACallback, ::testing::ValuesIn(kCallers), &name_of<Caller>);

// Makes the static loops of a program that has all kinds.
void have_static_loops() {
  static IOLoop loop;
  static LoopThread thread(thread_options());
  static LoopPool pool(pool_options());
  loop.add_callback([] {});
  loop.add_timeout(1h, [] {});
  thread.loop().submit([] {}).get();
  pool.submit([] {}).get();
}

TEST_P(ExitInACallback, OfALoopOnTheStackOfMainEndsTheProcess) {
  const ChildResult process = end_of([] {
    have_static_object<1>();
    have_static_loops();
    IOLoop loop;
    arrange(loop);
    have_static_object<2>();
    loop.start();
    return 1;
  });
  EXPECT_EQ(process.exit_code, kCode) << process;
  EXPECT_EQ(count(process.error_output, "used"), 2u) << process;
}

TEST_P(ExitInACallback, OfAStaticLoopEndsTheProcess) {
  const ChildResult process = end_of([] {
    have_static_object<1>();
    have_static_loops();
    static IOLoop loop;
    have_static_object<2>();
    arrange(loop);
    loop.make_current();
    loop.start();
    return 1;
  });
  EXPECT_EQ(process.exit_code, kCode) << process;
  EXPECT_EQ(count(process.error_output, "used"), 2u) << process;
}

TEST_P(ExitInACallback, OfALoopThreadWhileMainRunsAStaticLoopEndsTheProcess) {
  const ChildResult process = end_of([] {
    static IOLoop loop;
    static LoopThread thread(thread_options());
    loop.add_callback([] { arrange_on(thread); });
    loop.start();
    return 1;
  });
  EXPECT_EQ(process.exit_code, kCode) << process;
}

TEST_P(ExitInACallback, OfTheInstanceEndsTheProcess) {
  const ChildResult process = end_of([] {
    arrange(IOLoop::instance());
    IOLoop::instance().start();
    return 1;
  });
  EXPECT_EQ(process.exit_code, kCode) << process;
  EXPECT_EQ(process.error_output, "");
}

TEST_P(ExitInACallback, OfAStaticLoopThreadEndsTheProcess) {
  const ChildResult process = end_of([] {
    have_static_object<1>();
    have_static_loops();
    static LoopThread thread(thread_options());
    have_static_object<2>();
    arrange_on(thread);
    wait_for_ever();
    return 1;
  });
  EXPECT_EQ(process.exit_code, kCode) << process;
  EXPECT_EQ(count(process.error_output, "used"), 2u) << process;
}

TEST_P(ExitInACallback, OfALoopThreadThatMainJoinsEndsTheProcess) {
  const ChildResult process = end_of([] {
    have_static_loops();
    static LoopThread thread(thread_options());
    arrange_on(thread);
    thread.join();
    return 1;
  });
  EXPECT_EQ(process.exit_code, kCode) << process;
  EXPECT_EQ(process.error_output, "");
}

// Makes loop `from` post to all loops, endlessly.
void post_for_ever(LoopPool& pool, std::size_t from) {
  for (std::size_t to = 0; to < pool.size(); ++to) {
    if (pool.loop(to).stats().pending < 100) pool.loop(to).add_callback([] {});
  }
  pool.post([] {});
  pool.loop(from).add_callback([&pool, from] { post_for_ever(pool, from); });
}

TEST_P(ExitInACallback, OfAStaticLoopPoolWhoseLoopsAreBusyEndsTheProcess) {
  for (int round = 0; round < 5; ++round) {
    const ChildResult process = end_of([] {
      have_static_loops();
      static LoopPool pool(pool_options());
      for (std::size_t i = 0; i < pool.size(); ++i) post_for_ever(pool, i);
      pool.loop(1).add_callback([] { arrange(pool.loop(1)); });
      wait_for_ever();
      return 1;
    });
    EXPECT_EQ(process.exit_code, kCode) << process;
    EXPECT_EQ(process.error_output, "");
  }
}

TEST_P(ExitInACallback, OfAPoolThatMainJoinsEndsTheProcess) {
  for (std::size_t leaving = 0; leaving < 3; ++leaving) {
    const ChildResult process = end_of([&] {
      have_static_loops();
      static LoopPool pool(pool_options());
      pool.loop(leaving).add_callback([&] { arrange(pool.loop(leaving)); });
      pool.join();
      return 1;
    });
    EXPECT_EQ(process.exit_code, kCode) << process;
    EXPECT_EQ(process.error_output, "");
  }
}

TEST(ExitOnALoopsThread, InOnThreadStartEndsTheProcess) {
  const ChildResult of_thread = end_of([] {
    have_static_object<1>();
    have_static_loops();
    LoopThread::Options options = thread_options();
    options.on_thread_start = &leave;
    static LoopThread thread(options);
    return 1;
  });
  EXPECT_EQ(of_thread.exit_code, kCode) << of_thread;
  EXPECT_EQ(count(of_thread.error_output, "used"), 1u) << of_thread;
  const ChildResult of_pool = end_of([] {
    have_static_object<1>();
    have_static_loops();
    LoopPool::Options options = pool_options();
    options.on_thread_start = [](std::size_t i) {
      if (i == 1) leave();
    };
    static LoopPool pool(options);
    return 1;
  });
  EXPECT_EQ(of_pool.exit_code, kCode) << of_pool;
  EXPECT_EQ(count(of_pool.error_output, "used"), 1u) << of_pool;
}

TEST(ExitOnALoopsThread, InOnThreadEndEndsTheProcess) {
  const ChildResult of_thread = end_of([] {
    have_static_loops();
    LoopThread::Options options = thread_options();
    options.on_thread_end = &leave;
    static LoopThread thread(options);
    thread.stop();
    wait_for_ever();
    return 1;
  });
  EXPECT_EQ(of_thread.exit_code, kCode) << of_thread;
  EXPECT_EQ(of_thread.error_output, "");
  const ChildResult of_pool = end_of([] {
    have_static_loops();
    LoopPool::Options options = pool_options();
    options.on_thread_end = [](std::size_t i) {
      if (i == 1) leave();
    };
    static LoopPool pool(options);
    pool.stop();
    pool.join();
    return 1;
  });
  EXPECT_EQ(of_pool.exit_code, kCode) << of_pool;
  EXPECT_EQ(of_pool.error_output, "");
}

TEST(ExitOnALoopsThread, ThatSkipsDestructorsEndsTheProcessAtOnce) {
  for (void (*const end)() : {+[] { std::quick_exit(kCode); }, +[] { ::_exit(kCode); }}) {
    const ChildResult on_main = end_of([&] {
      have_static_object<1>();
      have_static_loops();
      IOLoop loop;
      loop.add_callback(end);
      loop.start();
      return 1;
    });
    EXPECT_EQ(on_main.exit_code, kCode) << on_main;
    EXPECT_EQ(on_main.error_output, "");
    const ChildResult on_pool = end_of([&] {
      have_static_object<1>();
      static LoopPool pool(pool_options());
      pool.post(end);
      pool.join();
      return 1;
    });
    EXPECT_EQ(on_pool.exit_code, kCode) << on_pool;
    EXPECT_EQ(on_pool.error_output, "");
  }
}

// ---- exit() in a forked child ----------------------------------------------------------------

// Runs `body` in a forked child of this process, which has loops. The child ends by exit(). Returns
// its exit code.
template <class F>
int code_of_child(F&& body) {
  const pid_t child = fork_at_rest();
  if (child == 0) {
    is_forked_child = true;
    ::alarm(60);
    std::exit(body());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
int code_of_child_that_exits() {
  return code_of_child([] { return kCode; });
}

class ForkedChildThatExits : public ::testing::Test {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP()
        << "the child's threads get ids of the parent's, which ThreadSanitizer still counts";
#endif
  }
};

TEST_F(ForkedChildThatExits, HasAllKindsOfLoopsOfItsParents) {
  const ChildResult process = end_of([] {
    have_static_object<1>();
    have_static_loops();
    static IOLoop loop;
    loop.add_signal_handler(SIGUSR1, [] {});
    loop.set_blocking_signal_threshold(1h);
    loop.install();
    have_static_object<2>();
    have_thread_local_object<3>();
    return code_of_child_that_exits();
  });
  EXPECT_EQ(process.exit_code, kCode) << process;
  EXPECT_EQ(count(process.error_output, "used"), 6u) << process;
}

TEST_F(ForkedChildThatExits, WasForkedInACallback) {
  const ChildResult of_main = end_of([] {
    have_static_loops();
    static IOLoop loop;
    have_static_object<1>();
    int code = 0;
    loop.run_sync([&] { code = code_of_child_that_exits(); });
    return code;
  });
  EXPECT_EQ(of_main.exit_code, kCode) << of_main;
  EXPECT_EQ(count(of_main.error_output, "used"), 2u) << of_main;
  const ChildResult of_pool = end_of([] {
    have_static_loops();
    static LoopPool pool(pool_options());
    have_static_object<1>();
    return pool.submit(&code_of_child_that_exits).get();
  });
  EXPECT_EQ(of_pool.exit_code, kCode) << of_pool;
  EXPECT_EQ(count(of_pool.error_output, "used"), 2u) << of_pool;
}

TEST_F(ForkedChildThatExits, DoesSoInACallbackOfItsOwnLoop) {
  const ChildResult process = end_of([] {
    have_static_loops();
    return code_of_child([] {
      static IOLoop own;
      have_static_object<1>();
      own.add_callback(&leave);
      own.start();
      return 1;
    });
  });
  EXPECT_EQ(process.exit_code, kCode) << process;
  EXPECT_EQ(count(process.error_output, "used"), 1u) << process;
}

// Failures: I7
TEST(ForkedChild, DestroysTheParentsLoopsWithoutDestroyingWhatIsTheirs) {
  const ChildResult process = end_of([] {
    const auto says = std::make_shared<AtDestruction>([] { std::fprintf(stderr, "destroyed\n"); });
    auto loop = std::make_unique<IOLoop>();
    auto thread = std::make_unique<LoopThread>(thread_options());
    auto pool = std::make_unique<LoopPool>(pool_options());
    loop->add_callback([says] {});
    loop->add_timeout(1h, [says] {});
    loop->add_signal_handler(SIGUSR1, [says] {});
    thread->loop().submit([says] { IOLoop::current().add_timeout(1h, [says] {}); }).get();
    pool->submit([says] { IOLoop::current().add_timeout(1h, [says] {}); }).get();
    const long uses = says.use_count();
    const ChildResult child = run_in_child([&] {
      loop.reset();
      thread.reset();
      pool.reset();
      ZMQLOOP_CHILD_EXPECT(says.use_count() == uses);
      return 0;
    });
    ZMQLOOP_CHILD_EXPECT(child.ok());
    return 0;
  });
  EXPECT_EQ(process.exit_code, 0) << process;
  EXPECT_EQ(process.error_output, "destroyed\n");
}

// ---- counts in a forked child ----------------------------------------------------------------

// has_core_for_each() checks that the running loops do not outnumber the usable cores. With one
// core it is always false.
// Failures: I7
TEST(ForkedChild, CountsTheLoopsThatRunAfresh) {
  if (usable_cores() < 2) GTEST_SKIP() << "with one core no loop spins";
  const ChildResult process = end_of([] {
    std::vector<std::unique_ptr<RunningLoop>> running;
    for (std::size_t i = 0; i < usable_cores() + 1; ++i) {
      running.push_back(std::make_unique<RunningLoop>());
    }
    ZMQLOOP_CHILD_EXPECT(!RunningLoop::has_core_for_each());
    const ChildResult child = run_in_child([&] {
      ZMQLOOP_CHILD_EXPECT(RunningLoop::has_core_for_each());
      running.clear();  // the parent's loops: they do not count here
      ZMQLOOP_CHILD_EXPECT(RunningLoop::has_core_for_each());
      {
        const RunningLoop one;
        ZMQLOOP_CHILD_EXPECT(RunningLoop::has_core_for_each());
      }
      ZMQLOOP_CHILD_EXPECT(RunningLoop::has_core_for_each());
      return 0;
    });
    ZMQLOOP_CHILD_EXPECT(child.ok());
    ZMQLOOP_CHILD_EXPECT(!RunningLoop::has_core_for_each());
    running.clear();
    ZMQLOOP_CHILD_EXPECT(RunningLoop::has_core_for_each());
    return 0;
  });
  EXPECT_TRUE(process.ok()) << process;
}

TEST(ForkedChild, OfACallbackCountsTheLoopsThatRunAfreshOnceTheParentsHasEndedThere) {
  if (usable_cores() < 2) GTEST_SKIP() << "with one core no loop spins";
  const ChildResult process = end_of([] {
    const pid_t parent = ::getpid();
    std::vector<std::unique_ptr<RunningLoop>> running;
    for (std::size_t i = 0; i < usable_cores(); ++i) {
      running.push_back(std::make_unique<RunningLoop>());
    }
    IOLoop loop;
    pid_t child = -1;
    loop.add_callback([&] {
      ZMQLOOP_AT_END_EXPECT(!RunningLoop::has_core_for_each());
      child = fork_at_rest();
      ZMQLOOP_AT_END_EXPECT(RunningLoop::has_core_for_each() == (child == 0));
      loop.stop();
    });
    try {
      loop.start();
    } catch (const std::logic_error&) {  // in the child
    }
    if (::getpid() != parent) ::_exit(RunningLoop::has_core_for_each() ? 0 : 1);
    int status = -1;
    ::waitpid(child, &status, 0);
    return status;
  });
  EXPECT_TRUE(process.ok()) << process;
}

}  // namespace
}  // namespace zmqloop::testing
