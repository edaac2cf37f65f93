// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Loops and fork(): in the child the parent's loops are closed and harmless, and the parent does
// not notice.

#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <new>
#include <set>
#include <spawn.h>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/zmq_fixture.h"
#include <gtest/gtest.h>
#include <zmq.hpp>

#include "zmqloop/runtime/callbacks/periodic_callback.h"
#include "zmqloop/runtime/pool/loop_pool.h"
#include "zmqloop/runtime/pool/loop_thread.h"

namespace zmqloop::testing {
namespace {

// A counter that parent and children share.
class SharedCount {
 public:
  SharedCount()
      : count_(::new (::mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0)) std::atomic<int>(0)) {}
  SharedCount(const SharedCount&) = delete;
  SharedCount& operator=(const SharedCount&) = delete;
  ~SharedCount() { ::munmap(count_, sizeof *count_); }
  std::atomic<int>& operator*() { return *count_; }

 private:
  std::atomic<int>* count_;
};

class ForkTest : public OnBothPollers {
 protected:
  static LoopThread::Options thread_options() {
    LoopThread::Options of_thread;
    of_thread.loop = options("worker");
    return of_thread;
  }
};
ZMQLOOP_ON_BOTH_POLLERS(ForkTest);

// Runs a loop whose callbacks fork `child`. Checks that start() returns in the parent and throws in
// the child, which then exits.
void run_with_a_fork(IOLoop& loop, const pid_t& child) {
  const pid_t parent = ::getpid();
  bool threw = false;
  try {
    loop.start();
  } catch (const std::logic_error&) {
    threw = true;
  }
  if (::getpid() != parent) {
    const bool runs_one = loop.is_running() || IOLoop::current_or_null() != nullptr;
    ::_exit(!threw ? 1 : runs_one ? 2 : 0);
  }
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "start() throws in the child, and no loop runs there";
  EXPECT_FALSE(threw) << "and returns in the parent";
}

// ---- the parent's loop in the child ----

TEST_P(ForkTest, Rel_I1_M11_MakesTheLoopRefuseEverythingInTheChild) {
  const OwnedFd event = make_event();
  const TimeoutHandle timer = loop_.add_timeout(1h, [] {});
  loop_.add_handler(
      event.get(), [] {}, Events::kRead);
  const OwnedFd other = make_event();
  const ChildResult child = run_in_child([&] {
    ZMQLOOP_CHILD_EXPECT(!loop_.add_callback([] {}));
    ZMQLOOP_CHILD_EXPECT(!loop_.spawn_callback([](int) {}, 1));
    ZMQLOOP_CHILD_EXPECT(!loop_.add_callback_from_signal([] {}));
    ZMQLOOP_CHILD_EXPECT_THROW(loop_.start(), std::logic_error);
    ZMQLOOP_CHILD_EXPECT_THROW(loop_.run_sync([] {}), std::logic_error);
    ZMQLOOP_CHILD_EXPECT_THROW(loop_.add_timeout(1s, [] {}), std::logic_error);
    ZMQLOOP_CHILD_EXPECT_THROW(loop_.call_later(1s, [] {}), std::logic_error);
    ZMQLOOP_CHILD_EXPECT_THROW(loop_.remove_timeout(timer), std::logic_error);
    ZMQLOOP_CHILD_EXPECT_THROW(loop_.add_handler(
                                   other.get(), [] {}, Events::kRead),
                               std::logic_error);
    ZMQLOOP_CHILD_EXPECT_THROW(loop_.update_handler(event.get(), Events::kRead), std::logic_error);
    ZMQLOOP_CHILD_EXPECT_THROW(loop_.remove_handler(event.get()), std::logic_error);
    ZMQLOOP_CHILD_EXPECT_THROW(loop_.touch(event.get()), std::logic_error);
    ZMQLOOP_CHILD_EXPECT_THROW(loop_.install(), std::logic_error);
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
  EXPECT_EQ(loop_.close(), (CloseReport{0, 1, 1}));
}

TEST_P(ForkTest, MakesQueriesAnswerAsForAClosedLoopInTheChild) {
  loop_.add_callback([] {});
  const ChildResult child = run_in_child([&] {
    ZMQLOOP_CHILD_EXPECT(!loop_.is_running());
    ZMQLOOP_CHILD_EXPECT(loop_.is_closed());
    ZMQLOOP_CHILD_EXPECT(!loop_.in_loop_thread());
    ZMQLOOP_CHILD_EXPECT(loop_.stats().pending == 0);
    ZMQLOOP_CHILD_EXPECT(loop_.name() == "tested");
    loop_.stop();
    ZMQLOOP_CHILD_EXPECT(loop_.close() == CloseReport());
    ZMQLOOP_CHILD_EXPECT(loop_.close(/*all_fds=*/true) == CloseReport());
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
  EXPECT_FALSE(loop_.is_closed());
  run_one_iteration();
  EXPECT_EQ(loop_.stats().callbacks_run, 3u);
}

TEST_P(ForkTest, NeverBlocksASubmitInTheChild) {
  const ChildResult child = run_in_child([&] {
    try {
      static_cast<void>(loop_.submit([] { return 1; }).get(1min));
    } catch (const TimeoutError&) {
      return 1;
    } catch (const std::exception&) {
      return 0;
    }
    return 2;
  });
  EXPECT_TRUE(child.ok()) << child;
}

TEST_P(ForkTest, MakesEverythingElseOfALoopThreadThrowInTheChild) {
  LoopThread thread(thread_options());
  thread.loop().submit([] {}).get();
  const ChildResult child = run_in_child([&] {
    ZMQLOOP_CHILD_EXPECT(!thread.loop().is_running());
    ZMQLOOP_CHILD_EXPECT(!thread.loop().add_callback([] {}));
    thread.stop();
    ZMQLOOP_CHILD_EXPECT_THROW(thread.join(), std::logic_error);
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
  EXPECT_EQ(thread.loop().submit([] { return 1; }).get(), 1);
}

TEST_P(ForkTest, Rel_I2_LeavesTheParentUndisturbedByChildrenThatDestroyItsLoops) {
  const OwnedFd event = make_event();
  std::atomic<int> handled{0};
  std::atomic<std::uint64_t> run{0};
  auto thread = std::make_unique<LoopThread>(thread_options());
  auto idle = std::make_unique<IOLoop>(options("idle"));
  thread->loop()
      .submit([&] {
        thread->loop().add_handler(
            event.get(),
            [&] {
              eventfd_t value = 0;
              eventfd_read(event.get(), &value);
              ++handled;
            },
            Events::kRead);
      })
      .get();
  idle->add_callback([&] { ++run; });
  idle->add_timeout(0s, [&] { ++run; });
  for (int i = 0; i < 20; ++i) {
    const ChildResult child = run_in_child([&] {
      if (i % 2 == 0) thread->loop().close(/*all_fds=*/true);
      thread.reset();
      idle.reset();
      return 0;
    });
    EXPECT_TRUE(child.ok()) << child;
    ring(event);
    while (handled != i + 1) std::this_thread::yield();
    EXPECT_EQ(thread->loop().submit([i] { return i; }).get(), i);
  }
  idle->add_callback([&] { idle->stop(); });
  idle->start();
  EXPECT_EQ(run, 2u);
}

TEST_P(ForkTest, LeavesWakeUpsToTheParentWhileChildrenComeAndGo) {
  LoopThread thread(thread_options());
  for (int i = 0; i < 30; ++i) {
    const pid_t child = fork_at_rest();
    if (child == 0) {
      for (int j = 0; j < 100; ++j) {
        if (thread.loop().add_callback([] {})) ::_exit(1);
        if (thread.loop().add_callback_from_signal([] {})) ::_exit(2);
        thread.loop().stop();
      }
      ::_exit(0);
    }
    for (int j = 0; j < 100; ++j) EXPECT_EQ(thread.loop().submit([j] { return j; }).get(), j);
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  EXPECT_TRUE(thread.loop().is_running());
}

// ---- executed programs ----

std::set<int> open_numbers() {
  std::set<int> open;
  for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
    open.insert(std::stoi(each.path().filename()));
  }
  return open;
}

// The descriptors that this program inherited.
const std::set<int> inherited_numbers = open_numbers();

TEST_P(ForkTest, Rel_I4_LeavesNoDescriptorOfLoopsToExecutedPrograms) {
  LoopPool pool({.loops = 2, .loop = options()});
  const OwnedFd event = make_event(/*readable=*/true);
  loop_.add_handler(
      event.get(), [] {}, Events::kRead);
  loop_.add_timeout(1ms, [this] { loop_.stop(); });
  loop_.start();
  pool.submit([] {}).get();
  int opened = 0;
  for (const int number : open_numbers()) {
    const int flags = ::fcntl(number, F_GETFD);
    if (flags < 0 || inherited_numbers.count(number) != 0) continue;
    ++opened;
    EXPECT_NE(flags & FD_CLOEXEC, 0) << "descriptor " << number;
  }
  EXPECT_GT(opened, 6) << "three loops and what is between them";
}

TEST_P(ForkTest, Rel_I5_LetsCallbacksStartProgramsWithASignalPending) {
  loop_.add_callback([] { std::raise(SIGUSR1); });
  int calls = 0;
  int status = -1;
  loop_.add_signal_handler(SIGUSR1, [&] { ++calls; });
  loop_.add_callback([&] {
    std::raise(SIGUSR1);
    char name[] = "true";
    char* arguments[] = {name, nullptr};
    pid_t program = -1;
    ASSERT_EQ(::posix_spawnp(&program, name, nullptr, nullptr, arguments, environ), 0);
    ASSERT_EQ(::waitpid(program, &status, 0), program);
  });
  run_one_iteration();
  run_one_iteration();
  EXPECT_EQ(status, 0);
  EXPECT_EQ(calls, 2);
}

// ---- forks inside callbacks ----

// The child exits once the callback has returned and start() has thrown.
TEST_P(ForkTest, Rel_I6_InsideACallbackNeverRunsTheParentsCallbacksInTheChild) {
  SharedCount runs;
  SharedCount destroyed;
  const OwnedFd event = make_event(/*readable=*/true);
  pid_t child = -1;
  const auto count = [&] { ++*runs; };
  loop_.add_handler(
      event.get(),
      [&](Pollable self, Events) {
        ++*runs;
        loop_.remove_handler(self);
      },
      Events::kRead);
  loop_.add_callback([&] { child = fork_at_rest(); });
  loop_.add_callback(count);
  loop_.add_callback(
      [&, end = std::make_shared<AtDestruction>([&] { ++*destroyed; })] { count(); });
  loop_.add_callback_from_signal(count);
  loop_.add_timeout(0s, count);
  loop_.add_timeout(0s, count);
  loop_.add_callback([&] { loop_.add_callback([&] { loop_.stop(); }); });
  run_with_a_fork(loop_, child);
  EXPECT_EQ(*runs, 6) << "each once, in the parent";
  EXPECT_EQ(*destroyed, 1);
}

// A refused post has requested on_high_water, and call_when_below() calls are pending. Both are the
// parent's: the child must not answer them.
TEST_P(ForkTest, Rel_I6_InsideACallbackNeverAnswersTheParentsCallsInTheChild) {
  SharedCount told;
  SharedCount called;
  pid_t child = -1;
  IOLoop::Options options = this->options();
  options.max_pending = options.high_water_mark = 4;
  options.on_high_water = [&](std::uint64_t) { ++*told; };
  IOLoop loop(options);
  loop.add_callback([&] {
    while (loop.try_add_callback([] {}) != PostOutcome::kFull) {
    }
    loop.call_when_below(1, [&] {
      ++*called;
      loop.stop();
    });
  });
  loop.add_callback([&] { loop.add_callback([&] { child = fork_at_rest(); }); });
  run_with_a_fork(loop, child);
  EXPECT_EQ(*told, 1) << "in the parent";
  EXPECT_EQ(*called, 1) << "in the parent";
}

TEST_P(ForkTest, InsideATimerOrAHandlerNeverRunsTheRestInTheChild) {
  for (const bool in_timer : {true, false}) {
    SharedCount runs;
    const OwnedFd first = make_event(/*readable=*/true);
    const OwnedFd second = make_event(/*readable=*/true);
    pid_t child = -1;
    const auto fork_once = [&] {
      ++*runs;
      if (child == -1) child = fork_at_rest();
    };
    IOLoop loop(options());
    if (in_timer) {
      for (int i = 0; i < 2; ++i) loop.add_timeout(0s, fork_once);
    } else {
      for (const OwnedFd* event : {&first, &second}) {
        loop.add_handler(event->get(), fork_once, Events::kRead);
      }
    }
    loop.add_callback([&] { loop.add_callback([&] { loop.stop(); }); });
    run_with_a_fork(loop, child);
    EXPECT_EQ(*runs, 2) << "each once, in the parent";
  }
}

TEST_P(ForkTest, WhileToldOfManyPostsNeverRunsThemInTheChild) {
  SharedCount runs;
  pid_t child = -1;
  IOLoop::Options told = options();
  told.high_water_mark = 2;
  told.on_high_water = [&](std::uint64_t) { child = fork_at_rest(); };
  IOLoop loop(told);
  loop.add_callback([&] { ++*runs; });
  loop.add_callback([&] { loop.stop(); });
  run_with_a_fork(loop, child);
  EXPECT_EQ(*runs, 1);
}

TEST_P(ForkTest, InsideACallbackLeavesTheChildNoCurrentLoop) {
  loop_.make_current();
  pid_t child = -1;
  loop_.add_callback([&] {
    child = fork_at_rest();
    if (child != 0) return loop_.stop();
    bool fine = IOLoop::current_or_null() == nullptr && !IOLoop::initialized();
    IOLoop own;
    own.make_current();
    PeriodicCallback periodic([&] { own.stop(); }, 1ms);
    periodic.start();
    own.start();
    fine = fine && IOLoop::current_or_null() == &own;
    ::_exit(fine ? 0 : 1);
  });
  loop_.start();
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(IOLoop::current_or_null(), &loop_);
  IOLoop::clear_current();
}

TEST_P(ForkTest, InsideACallbackLetsTheChildRunALoopOfItsOwnThere) {
  SharedCount runs;
  ChildResult child;
  loop_.add_callback([&] {
    child = run_in_child([&] {
      IOLoop fresh(options("fresh"));
      ZMQLOOP_CHILD_EXPECT(fresh.run_sync([&] { return &IOLoop::current() == &fresh; }));
      return 0;
    });
    loop_.stop();
  });
  loop_.start();
  EXPECT_TRUE(child.ok()) << child;
}

TEST_P(ForkTest, InsideACallbackLetsTheChildWaitForAFutureThere) {
  ChildResult child;
  loop_.add_callback([&] {
    child = run_in_child([&] {
      // No loop runs on this thread, in this process.
      LoopThread fresh(thread_options());
      ZMQLOOP_CHILD_EXPECT(fresh.loop().submit([] { return 7; }).get() == 7);
      return 0;
    });
    loop_.stop();
  });
  loop_.start();
  EXPECT_TRUE(child.ok()) << child;
}

// ---- new loops in the child ----

TEST_P(ForkTest, LetsTheChildMakeLoopsPoolsAndSocketsOfItsOwn) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "the child's threads get ids of the parent's, which ThreadSanitizer still counts";
#endif
  LoopThread before(thread_options());
  before.loop().submit([] {}).get();
  const ChildResult child = run_in_child([&] {
    IOLoop loop(options());
    zmq::context_t context;
    SocketPair pair(context, zmq::socket_type::pair, zmq::socket_type::pair);
    std::string log;
    loop.add_handler(
        pair.near,
        [&] {
          log += *receive(pair.near);
          loop.stop();
        },
        Events::kRead);
    loop.add_timeout(1ms, [&] { send(pair.far, "m"); });
    loop.add_callback([&] { log += 'a'; });
    std::thread poster([&] { loop.add_callback([&] { log += 'b'; }); });
    poster.join();
    loop.start();
    ZMQLOOP_CHILD_EXPECT(log == "abm");
    LoopPool pool({.loops = 2, .loop = options()});
    for (int i = 0; i < 100; ++i) ZMQLOOP_CHILD_EXPECT(pool.submit([i] { return i; }).get() == i);
    pool.stop();
    ZMQLOOP_CHILD_EXPECT(pool.join() == CloseReport());
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
}

TEST_P(ForkTest, LetsTheChildHaveAnInstanceOfItsOwn) {
  IOLoop::clear_instance();
  IOLoop::configure(GetParam());
  IOLoop& instance = IOLoop::instance();
  const ChildResult child = run_in_child([&] {
    ZMQLOOP_CHILD_EXPECT(instance.is_closed());
    ZMQLOOP_CHILD_EXPECT(!IOLoop::initialized());
    ZMQLOOP_CHILD_EXPECT(!IOLoop::instance().is_closed());
    ZMQLOOP_CHILD_EXPECT(IOLoop::instance().run_sync([] { return 5; }) == 5);
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
  EXPECT_EQ(&IOLoop::instance(), &instance);
  EXPECT_EQ(instance.run_sync([] { return 6; }), 6);
  IOLoop::clear_instance();
  IOLoop::configure(PollerKind::kEpoll);
}

TEST_P(ForkTest, LetsGrandchildrenDoTheSame) {
  const ChildResult child = run_in_child([&] {
    IOLoop mine(options("child's"));
    const ChildResult grandchild = run_in_child([&] {
      ZMQLOOP_CHILD_EXPECT(!mine.add_callback([] {}));
      ZMQLOOP_CHILD_EXPECT(!loop_.add_callback([] {}));
      IOLoop own(options("grandchild's"));
      return own.run_sync([] { return 0; });
    });
    ZMQLOOP_CHILD_EXPECT(grandchild.ok());
    return mine.run_sync([] { return 0; });
  });
  EXPECT_TRUE(child.ok()) << child;
}

// ---- forks at any moment ----

TEST_P(ForkTest, Rel_I3_AtAnyMomentOfOtherThreadsPostsIsSafeInTheChild) {
  LoopThread thread(thread_options());
  std::atomic<bool> done{false};
  std::vector<std::thread> posters;
  for (int i = 0; i < 2; ++i) {
    posters.emplace_back([&] {
      while (!done) {
        if (thread.loop().stats().pending < 1'000) thread.loop().add_callback([] {});
      }
    });
  }
  for (int i = 0; i < 100; ++i) {
    const auto refuses = [&] {  // must not allocate
      ZMQLOOP_CHILD_EXPECT(!thread.loop().add_callback([] {}));
      ZMQLOOP_CHILD_EXPECT(thread.loop().is_closed());
      ZMQLOOP_CHILD_EXPECT(thread.loop().stats().pending == 0);
      return 0;
    };
    const ChildResult child = run_in_child(refuses, &::fork);
    ASSERT_TRUE(child.ok()) << child;
  }
  done = true;
  for (std::thread& poster : posters) poster.join();
  EXPECT_EQ(thread.loop().submit([] { return 1; }).get(), 1);
}

TEST_P(ForkTest, WhileOtherThreadsMakeAndDestroyLoopsIsSafeInTheChild) {
  std::atomic<bool> done{false};
  std::vector<std::thread> makers;
  for (int i = 0; i < 2; ++i) {
    makers.emplace_back([&] {
      while (!done) {
        IOLoop loop(options("brief"));
        loop.add_callback([] {});
      }
    });
  }
  for (int i = 0; i < 150; ++i) {
    const ChildResult child = run_in_child([] { return 0; }, &::fork);
    ASSERT_TRUE(child.ok()) << child;
  }
  done = true;
  for (std::thread& maker : makers) maker.join();
}

}  // namespace
}  // namespace zmqloop::testing
