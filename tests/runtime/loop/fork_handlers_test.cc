// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The user's own fork() handlers may use loops freely, even if they were registered before this
// library's. And children made otherwise than by fork() do not affect the loops.

#include <atomic>
#include <cstdio>
#include <memory>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/loop_fixture.h"
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_pool.h"
#include "zmqloop/runtime/pool/loop_thread.h"
#include "zmqloop/threading/host/fork_guard.h"

// ---- handlers --------------------------------------------------------------------------------

namespace {

using ForkHandler = void (*)();

struct Handlers {
  ForkHandler prepare = nullptr;
  ForkHandler parent = nullptr;
  ForkHandler child = nullptr;
};

// Called by the handlers registered before any constructor of this program or its libraries ran.
constinit Handlers first_of_all;
// Called by the handlers that a test registers.
constinit Handlers registered_later;

void call(ForkHandler handler) {
  if (handler != nullptr) handler();
}

// Not instrumented: the sanitizers' runtimes are not initialised yet.
[[gnu::no_sanitize("address", "thread", "undefined")]] void register_first_of_all() {
  ::pthread_atfork([] { call(first_of_all.prepare); }, [] { call(first_of_all.parent); },
                   [] { call(first_of_all.child); });
}
[[gnu::section(".preinit_array"), gnu::used]] ForkHandler preinit = &register_first_of_all;

void register_later() {
  ::pthread_atfork([] { call(registered_later.prepare); }, [] { call(registered_later.parent); },
                   [] { call(registered_later.child); });
}

}  // namespace

namespace zmqloop::testing {
namespace {

// ---- the handlers' actions -------------------------------------------------------------------

// The loops of the processes that tests fork.
std::unique_ptr<IOLoop> loop;
std::unique_ptr<LoopThread> thread;
std::unique_ptr<LoopPool> pool;

void make_loop() { loop = std::make_unique<IOLoop>(); }
void make_thread() { thread = std::make_unique<LoopThread>("worker"); }
void make_pool() {
  LoopPool::Options two;
  two.loops = 2;
  pool = std::make_unique<LoopPool>(two);
}

bool loop_works() {
  return loop->run_sync([] { return 1; }) == 1;
}
bool thread_works() {
  return thread->loop().submit([] { return 2; }).get() == 2;
}
bool pool_works() {
  return pool->submit([] { return 3; }).get() == 3;
}
bool instance_works() {
  return IOLoop::instance().run_sync([] { return 4; }) == 4;
}

void nothing() {}

void fail(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  ::_exit(97);
}

// Makes, uses and destroys loops of all kinds.
void use_all_kinds() {
  make_loop();
  make_thread();
  make_pool();
  if (!loop_works() || !thread_works() || !pool_works() || !instance_works()) fail("does not work");
  pool.reset();
  thread.reset();
  loop.reset();
  IOLoop::clear_instance();
}

struct Scenario {
  const char* name;
  void (*set_up)();
  Handlers handlers;
  bool (*works)();
};
const Scenario kScenarios[] = {
    {"APoolMadeAnew", &make_pool, {[] { pool.reset(); }, &make_pool, &make_pool}, &pool_works},
    {"ALoopThreadMadeAnew",
     &make_thread,
     {[] { thread.reset(); }, &make_thread, &make_thread},
     &thread_works},
    {"ALoopMadeAnew", &make_loop, {[] { loop.reset(); }, &make_loop, &make_loop}, &loop_works},
    {"TheInstanceClearedAndMade",
     [] { IOLoop::instance(); },
     {[] { IOLoop::clear_instance(); }, [] { IOLoop::instance(); }, [] { IOLoop::instance(); }},
     &instance_works},
    {"TheInstanceMadeAndCleared",
     &nothing,
     {[] { IOLoop::instance(); }, &IOLoop::clear_instance, &IOLoop::clear_instance},
     &instance_works},
    {"TheParentsPoolReplacedInTheChild", &make_pool, {nullptr, nullptr, &make_pool}, &pool_works},
    {"TheParentsLoopReplacedInTheChild", &make_loop, {nullptr, nullptr, &make_loop}, &loop_works},
    {"ALoopThreadAskedBefore",
     &make_thread,
     {[] {
        if (!thread_works()) fail("does not work before");
      },
      [] {
        if (!thread_works()) fail("does not work in the parent");
      },
      [] {
        if (!thread->loop().is_closed() || thread->loop().add_callback([] {})) {
          fail("is open in the child");
        }
        make_thread();
      }},
     &thread_works},
    {"AllKindsMadeUsedAndDestroyed",
     &nothing,
     {&use_all_kinds, &use_all_kinds, &use_all_kinds},
     [] {
       use_all_kinds();
       return true;
     }},
};

// ---- when they are registered ----------------------------------------------------------------

enum class When { kFirstOfAll, kBeforeTheFirstLoop, kAfterTheFirstLoop };

struct Tested {
  Scenario scenario;
  When when;
};

std::vector<Tested> all_combinations() {
  std::vector<Tested> all;
  for (const Scenario& scenario : kScenarios) {
    for (const When when :
         {When::kFirstOfAll, When::kBeforeTheFirstLoop, When::kAfterTheFirstLoop}) {
      all.push_back({scenario, when});
    }
  }
  return all;
}

std::string name_of(const ::testing::TestParamInfo<Tested>& tested) {
  constexpr const char* kWhen[] = {"RegisteredFirstOfAll", "RegisteredBeforeTheFirstLoop",
                                   "RegisteredAfterTheFirstLoop"};
  return std::string(tested.param.scenario.name) +
         kWhen[static_cast<std::size_t>(tested.param.when)];
}

class ForkHandlers : public ::testing::TestWithParam<Tested> {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_THREAD__)
    GTEST_SKIP()
        << "the child's threads get ids of the parent's, which ThreadSanitizer still counts";
#elif defined(__SANITIZE_ADDRESS__)
    GTEST_SKIP() << "its allocator stays locked in a child if another thread was inside it";
#endif
  }

  // Lets fork() call the scenario's handlers from now on, in this process and its children.
  static void set_up() {
    const Scenario& scenario = GetParam().scenario;
    if (GetParam().when == When::kBeforeTheFirstLoop) register_later();
    scenario.set_up();
    if (GetParam().when == When::kAfterTheFirstLoop) register_later();
    (GetParam().when == When::kFirstOfAll ? first_of_all : registered_later) = scenario.handlers;
  }

  // Forks children, which do the same, and checks that the handlers' loops work in each.
  static int fork_generations(int generations) {
    for (int i = 0; generations > 0 && i < 2; ++i) {
      const auto live = [&] {
        ZMQLOOP_CHILD_EXPECT(GetParam().scenario.works());
        return fork_generations(generations - 1);
      };
      const ChildResult child = run_in_child(live, &::fork);
      std::fprintf(stderr, "%s", child.error_output.c_str());
      if (!child.ok()) std::fprintf(stderr, "child: %d %d\n", child.exit_code, child.signal);
      ZMQLOOP_CHILD_EXPECT(child.ok());
      ZMQLOOP_CHILD_EXPECT(GetParam().scenario.works());
    }
    return 0;
  }
};
INSTANTIATE_TEST_SUITE_P(Scenarios, ForkHandlers, ::testing::ValuesIn(all_combinations()),
                         &name_of);

TEST_P(ForkHandlers, Rel_I3_MayDoWithLoopsWhatTheyLike) {
  const ChildResult process = run_in_child(
      [] {
        set_up();
        return fork_generations(3);
      },
      &::fork);
  EXPECT_TRUE(process.ok()) << process;
}

TEST_P(ForkHandlers, MayDoSoWhileOtherThreadsMakeAndDestroyLoops) {
  const ChildResult process = run_in_child(
      [] {
        set_up();
        std::atomic<bool> done{false};
        std::vector<std::thread> others;
        others.emplace_back([&] {
          while (!done) IOLoop().add_callback([] {});
        });
        others.emplace_back([&] {
          while (!done) LoopThread("brief").loop().submit([] {}).get();
        });
        int code = 0;
        for (int i = 0; i < 10 && code == 0; ++i) code = fork_generations(1);
        done = true;
        for (std::thread& other : others) other.join();
        return code;
      },
      &::fork);
  EXPECT_TRUE(process.ok()) << process;
}

// ---- children that are not forked ------------------------------------------------------------

// Calls of fork handlers; such children cause none.
constinit std::atomic<int> handler_calls{0};

// A process with loops. Made in a child, so that this program itself has used no loop before.
class Undisturbed {
 public:
  Undisturbed() {
    const ForkHandler count = [] { ++handler_calls; };
    first_of_all = {count, count, count};
  }
  // Returns 0 if all loops work as if there had been no child.
  int check() {
    ZMQLOOP_CHILD_EXPECT(handler_calls == 0);
    ZMQLOOP_CHILD_EXPECT(fork_generation() == generation);
    ZMQLOOP_CHILD_EXPECT(!own.is_closed() && !worker.loop().is_closed());
    ZMQLOOP_CHILD_EXPECT(own.run_sync([] { return 1; }) == 1);
    ZMQLOOP_CHILD_EXPECT(worker.loop().submit([] { return 2; }).get() == 2);
    return 0;
  }

  const std::uint32_t generation = fork_generation();
  IOLoop own;
  LoopThread worker;
};

int status_of(pid_t child) {
  int status = -1;
  return ::waitpid(child, &status, 0) == child ? status : -1;
}

TEST(ChildThatIsNotForked, ButSharesTheMemoryNoticesNothing) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer makes a fork() of each vfork()";
#endif
  const ChildResult process = run_in_child([] {
    Undisturbed undisturbed;
    for (int i = 0; i < 10; ++i) {
      // As is usual after vfork(): the child only asks and ends.
      const pid_t child = ::vfork();
      if (child == 0) {
        ::_exit(fork_generation() == undisturbed.generation && !undisturbed.own.is_closed() ? 0
                                                                                            : 1);
      }
      ZMQLOOP_CHILD_EXPECT(status_of(child) == 0);
      if (const int code = undisturbed.check(); code != 0) return code;
    }
    return 0;
  });
  EXPECT_TRUE(process.ok()) << process;
}

TEST(ChildThatIsNotForked, ButSpawnedLeavesTheParentAsItWas) {
  const ChildResult process = run_in_child([] {
    Undisturbed undisturbed;
    for (int i = 0; i < 10; ++i) {
      char name[] = "true";
      char* arguments[] = {name, nullptr};
      pid_t program = -1;
      const auto spawn_it = [&] {
        return ::posix_spawnp(&program, name, nullptr, nullptr, arguments, environ);
      };
      IOLoop& worker = undisturbed.worker.loop();
      ZMQLOOP_CHILD_EXPECT((i % 2 == 0 ? spawn_it() : worker.submit(spawn_it).get()) == 0);
      ZMQLOOP_CHILD_EXPECT(status_of(program) == 0);
      if (const int code = undisturbed.check(); code != 0) return code;
    }
    return 0;
  });
  EXPECT_TRUE(process.ok()) << process;
}

}  // namespace
}  // namespace zmqloop::testing
