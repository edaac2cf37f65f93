// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// on_thread_start and on_thread_end of LoopThread and LoopPool: where and when they are called, and
// where their exceptions go. Also the stall options, which hold from the first callback on.

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <pthread.h>
#include <set>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <type_traits>
#include <unistd.h>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/loop_owner.h"
#include "tests/support/process_facts.h"
#include "tests/support/stall_reports.h"
#include "tests/support/zmq_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/runtime/callbacks/periodic_callback.h"
#include "zmqloop/threading/host/thread_label.h"

namespace zmqloop::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The threads and descriptors of this process, including those that the first loop leaves for good.
struct Belongings {
  std::size_t threads;
  std::size_t descriptors;

  static Belongings now() {
    { LoopPool warm({.loops = 4}); }
    return {living_threads(), open_descriptors()};
  }
  bool are_all() const {
    return eventually(
        [this] { return living_threads() <= threads && open_descriptors() <= descriptors; });
  }
};

class ThreadHooks : public OnAllOwners {
 protected:
  using Hooks = LoopOwner::Hooks;
};
ZMQLOOP_ON_ALL_OWNERS(ThreadHooks);

// ---- where and when ----

TEST_P(ThreadHooks, RunOnTheLoopsThreadFirstAndLast) {
  std::vector<std::string> log;
  std::vector<std::thread::id> threads;
  const auto note = [&](std::string what) {
    log.push_back(std::move(what));
    threads.push_back(std::this_thread::get_id());
  };
  LoopOwner owner(kind(), options(), {.start = [&] { note("start"); }, .end = [&] { note("end"); }});
  EXPECT_THAT(log, ElementsAre("start")) << "the constructor waits for it";
  owner.loop().submit([&] { note("callback"); }).get();
  owner.loop().add_callback([&] {
    owner.stop();
    owner.loop().add_callback(
        [end = std::make_shared<AtDestruction>([&] { note("destructor"); })] {});
  });
  owner.join();
  EXPECT_THAT(log, ElementsAre("start", "callback", "destructor", "end"));
  EXPECT_EQ(threads, std::vector<std::thread::id>(4, threads.front()));
  EXPECT_NE(threads.front(), std::this_thread::get_id());
}

TEST_P(ThreadHooks, FindTheLoopCurrentAtTheStartAndClosedAtTheEnd) {
  IOLoop* current = nullptr;
  bool was_open = false;
  bool was_closed = false;
  Future<int> abandoned;
  LoopOwner owner(kind(), options(),
                  {.start =
                       [&] {
                         current = &IOLoop::current();
                         was_open = !current->is_closed() && !current->is_running();
                       },
                   .end =
                       [&] {
                         was_closed = current->is_closed() && !current->add_callback([] {});
                         EXPECT_THROW(current->submit([] {}).get(), LoopClosedError);
                         EXPECT_TRUE(abandoned.is_ready()) << "everyone who waits has been told";
                       }});
  owner.loop().add_callback([&] {
    owner.stop();
    abandoned = owner.loop().submit([] { return 1; });
  });
  owner.join();
  EXPECT_EQ(current, &owner.loop());
  EXPECT_TRUE(was_open);
  EXPECT_TRUE(was_closed);
  EXPECT_THROW(abandoned.get(), LoopClosedError);
}

TEST_P(ThreadHooks, HaveStartedBeforeAnyCallbackRunsWhoeverPostsIt) {
  for (int round = 0; round < 50; ++round) {
    bool started = false;
    std::atomic<int> early{0};
    std::atomic<bool> posted{false};
    std::thread poster;
    const auto look = [&] { early += !started; };
    LoopOwner owner(kind(), options(), {.start = [&] {
                      IOLoop& loop = IOLoop::current();
                      loop.add_callback(look);
                      loop.add_timeout(0s, look);
                      poster = std::thread([&] {
                        loop.add_callback(look);
                        posted = true;
                      });
                      while (!posted) std::this_thread::yield();
                      started = true;
                    }});
    poster.join();
    owner.loop().submit(look).get();
    EXPECT_EQ(early, 0);
  }
}

TEST_P(ThreadHooks, MaySetTheLoopUpWithAllThatItsThreadMayUse) {
  const OwnedFd event = make_event(/*readable=*/true);
  std::optional<PeriodicCallback> periodic;
  std::vector<std::string> log;
  std::set<std::string> seen;
  LoopOwner owner(
      kind(), options(),
      {.start =
           [&] {
             IOLoop& loop = IOLoop::current();
             const auto once = [&](std::string what) {
               return [&seen, what = std::move(what)] { seen.insert(what); };
             };
             loop.add_timeout(0s, once("timer"));
             loop.add_handler(
                 event.get(),
                 [&, see = once("handler")] {
                   see();
                   IOLoop::current().remove_handler(event.get());
                 },
                 Events::kRead);
             loop.add_signal_handler(SIGUSR1, once("signal"));
             periodic.emplace(once("tick"), 1us);
             periodic->start();
             spawn(loop, [see = once("task")]() -> Task<void> {
               co_await sleep_for(1us);
               see();
             });
             log.push_back(loop.run_sync([] { return std::string("in between"); }));
             EXPECT_THROW(loop.run_sync([]() -> int { throw std::range_error("own"); }),
                          std::range_error);
             EXPECT_FALSE(loop.is_running());
           },
       .end = [&] { periodic.reset(); }});
  EXPECT_THAT(log, ElementsAre("in between"));
  ::kill(::getpid(), SIGUSR1);
  EXPECT_TRUE(eventually([&] {
    return owner.loop().submit([&] { return seen.size(); }).get() == 5;
  })) << ::testing::PrintToString(seen);
  owner.stop_and_join();
}

TEST_P(ThreadHooks, MayStopTheLoopBeforeItHasRunAnything) {
  bool ran = false;
  int ends = 0;
  LoopOwner owner(kind(), options(),
                  {.start =
                       [&] {
                         IOLoop::current().add_callback([&] { ran = true; });
                         IOLoop::current().stop();
                       },
                   .end = [&] { ++ends; }});
  while (!owner.loop().is_closed()) std::this_thread::yield();
  EXPECT_EQ(owner.stop_and_join().callbacks_abandoned, 1u);
  EXPECT_FALSE(ran);
  EXPECT_EQ(ends, 1);
}

TEST_P(ThreadHooks, AreNoneIfNoneAreGiven) {
  LoopThread::Options of_thread;
  of_thread.on_thread_start = std::function<void()>();
  of_thread.on_thread_end = static_cast<void (*)()>(nullptr);
  LoopThread thread(of_thread);
  EXPECT_EQ(thread.loop().submit([] { return 1; }).get(), 1);
  LoopPool::Options of_pool;
  of_pool.loops = 2;
  of_pool.on_thread_start = nullptr;
  of_pool.on_thread_end = std::function<void(std::size_t)>();
  LoopPool pool(of_pool);
  EXPECT_EQ(pool.submit([] { return 1; }).get(), 1);
}

// ---- of a pool ----

class PoolHooks : public OnBothPollers {
 protected:
  static constexpr std::size_t kLoops = 4;

  static LoopPool::Options pool_of(std::size_t loops) {
    LoopPool::Options result;
    result.loops = loops;
    result.loop = options();
    return result;
  }
};
ZMQLOOP_ON_BOTH_POLLERS(PoolHooks);

TEST_P(PoolHooks, AreCalledOnceForEachLoopOnItsThreadWithItsIndex) {
  std::vector<IOLoop*> started(kLoops);
  std::vector<std::string> start_labels(kLoops);
  std::vector<std::string> end_labels(kLoops);
  std::atomic<int> calls{0};
  LoopPool::Options hooked = pool_of(kLoops);
  hooked.on_thread_start = [&](std::size_t i) {
    ++calls;
    started[i] = &IOLoop::current();
    start_labels[i] = current_thread_label();
  };
  hooked.on_thread_end = [&](std::size_t i) {
    ++calls;
    end_labels[i] = current_thread_label();
  };
  {
    LoopPool pool(hooked);
    for (std::size_t i = 0; i < kLoops; ++i) {
      EXPECT_EQ(started[i], &pool.loop(i));
      EXPECT_EQ(pool.loop(i).submit([] { return current_thread_label(); }).get(), start_labels[i]);
    }
  }
  EXPECT_EQ(calls, 2 * static_cast<int>(kLoops));
  EXPECT_EQ(end_labels, start_labels);
  for (std::size_t i = 0; i < kLoops; ++i) {
    EXPECT_THAT(start_labels[i], HasSubstr("(pool-" + std::to_string(i) + ")"));
  }
}

TEST_P(PoolHooks, AreCopiedForEachLoop) {
  struct Counting {
    std::vector<int>* calls;
    int own = 0;
    void operator()(std::size_t i) { (*calls)[i] = ++own; }
  };
  std::vector<int> calls(kLoops);
  LoopPool::Options hooked = pool_of(kLoops);
  hooked.on_thread_start = Counting{&calls};
  LoopPool pool(hooked);
  EXPECT_EQ(calls, std::vector<int>(kLoops, 1));
}

// ---- exceptions of on_thread_start ----

// An exception that nothing else throws; derived from system_error, as in many libraries.
struct OwnError : std::system_error {
  explicit OwnError(int given)
      : std::system_error(std::make_error_code(std::errc::address_in_use), "own"), number(given) {}
  int number;
};

template <class Owner, class Options>
void expect_own_error(const Options& options, int number) {
  try {
    Owner owner(options);
    ADD_FAILURE() << "was made";
  } catch (const OwnError& error) {
    EXPECT_EQ(error.number, number);
    EXPECT_STREQ(error.what(), OwnError(number).what()) << "nothing was added to it";
  } catch (const std::exception& error) {
    ADD_FAILURE() << "threw another exception: " << error.what();
  }
}

class LoopThreadHooks : public OnBothPollers {};
ZMQLOOP_ON_BOTH_POLLERS(LoopThreadHooks);

TEST_P(LoopThreadHooks, FailTheConstructorWithThatVeryExceptionAndLeaveNothingBehind) {
  const Belongings before = Belongings::now();
  const auto alive = std::make_shared<int>();
  int ends = 0;
  Future<int> submitted;
  LoopThread::Options hooked;
  hooked.name = "failing";
  hooked.loop = options();
  hooked.on_thread_start = [&] {
    IOLoop& loop = IOLoop::current();
    loop.add_callback([alive] {});
    loop.add_timeout(1h, [alive] {});
    submitted = loop.submit([alive] { return 1; });
    spawn(loop, [alive]() -> Task<void> { co_await sleep_for(1h); });
    throw OwnError(7);
  };
  hooked.on_thread_end = [&] { ++ends; };
  expect_own_error<LoopThread>(hooked, 7);
  EXPECT_EQ(alive.use_count(), 1) << "what it had posted and armed is gone";
  EXPECT_THROW(submitted.get(), LoopClosedError);
  EXPECT_EQ(ends, 0) << "what has not started does not end";
  hooked.on_thread_start = [] { throw 42; };
  try {
    LoopThread thread(hooked);
    ADD_FAILURE() << "was made";
  } catch (const int number) {
    EXPECT_EQ(number, 42);
  }
  hooked = {};
  submitted = {};
  EXPECT_TRUE(before.are_all());
}

// Failures: N9
TEST_P(PoolHooks, FailTheConstructorWithThatVeryExceptionAtWhicheverLoop) {
  const Belongings before = Belongings::now();
  for (std::size_t failing = 0; failing < kLoops; ++failing) {
    const auto alive = std::make_shared<int>();
    std::vector<int> starts(kLoops);
    std::vector<int> ends(kLoops);
    LoopPool::Options hooked = pool_of(kLoops);
    hooked.on_thread_start = [&](std::size_t i) {
      ++starts[i];
      IOLoop::current().add_callback([alive] {});
      IOLoop::current().add_timeout(1h, [alive] {});
      if (i == failing) throw OwnError(static_cast<int>(i));
    };
    hooked.on_thread_end = [&](std::size_t i) { ++ends[i]; };
    expect_own_error<LoopPool>(hooked, static_cast<int>(failing));
    EXPECT_EQ(alive.use_count(), 1) << "what they had posted and armed is gone";
    for (std::size_t i = 0; i < kLoops; ++i) {
      EXPECT_EQ(starts[i], i <= failing ? 1 : 0) << i;
      EXPECT_EQ(ends[i], i < failing ? 1 : 0) << "loop " << i << " when " << failing << " fails";
    }
  }
  EXPECT_TRUE(before.are_all());
}

// The hooks post to their own and each other's loops, and then the pool's constructor fails.
TEST_P(PoolHooks, LoseNothingThatTheyHadPostedIfThePoolIsNotMade) {
  for (std::size_t failing = 1; failing < kLoops; ++failing) {
    std::vector<IOLoop*> loops(kLoops);
    std::atomic<int> accepted{0};
    std::atomic<int> ended{0};
    std::vector<Future<std::size_t>> futures;
    LoopPool::Options hooked = pool_of(kLoops);
    hooked.on_thread_start = [&](std::size_t i) {
      if (i == failing) throw OwnError(0);
      loops[i] = &IOLoop::current();
      for (std::size_t to = 0; to <= i; ++to) {
        for (int n = 0; n < 20; ++n) {
          if (loops[to]->add_callback([end = AtDestruction([&] { ++ended; })] {})) ++accepted;
        }
        futures.push_back(loops[to]->submit([to] { return to; }));
      }
    };
    expect_own_error<LoopPool>(hooked, 0);
    EXPECT_EQ(ended, accepted);
    for (const Future<std::size_t>& future : futures) {
      EXPECT_TRUE(future.is_ready()) << "run or told that it never will be";
    }
  }
}

// ---- threads that a hook ends ----

TEST_P(LoopThreadHooks, ThatEndTheThreadFailTheConstructor) {
  const Belongings before = Belongings::now();
  const auto alive = std::make_shared<int>();
  int ends = 0;
  LoopThread::Options hooked;
  hooked.name = "leaving";
  hooked.loop = options();
  hooked.on_thread_start = [&] {
    IOLoop::current().add_callback([alive] {});
    ::pthread_exit(nullptr);
  };
  hooked.on_thread_end = [&] { ++ends; };
  EXPECT_THAT(error_of<std::runtime_error>([&] { LoopThread thread(hooked); }),
              AllOf(HasSubstr("'leaving'"), HasSubstr("on_thread_start")));
  EXPECT_EQ(ends, 0);
  hooked = {};
  EXPECT_EQ(alive.use_count(), 1);
  EXPECT_TRUE(before.are_all());
}

TEST_P(PoolHooks, ThatEndTheThreadFailTheConstructorAtWhicheverLoop) {
  const Belongings before = Belongings::now();
  for (std::size_t leaving = 0; leaving < kLoops; ++leaving) {
    std::atomic<std::size_t> ends{0};
    LoopPool::Options hooked = pool_of(kLoops);
    hooked.on_thread_start = [&](std::size_t i) {
      if (i == leaving) ::pthread_exit(nullptr);
    };
    hooked.on_thread_end = [&](std::size_t) { ++ends; };
    EXPECT_THAT(error_of<std::runtime_error>([&] { LoopPool pool(hooked); }),
                HasSubstr("'pool-" + std::to_string(leaving) + "'"));
    EXPECT_EQ(ends, leaving);
  }
  EXPECT_TRUE(before.are_all());
}

// A new thread mostly gets the memory of an ended one: it must not be mistaken for the ended one.
TEST_P(ThreadHooks, ThatEndTheThreadAtItsEndLeaveNoTraceOfIt) {
  LoopOwner owner(kind(), options(), {.end = [] { ::pthread_exit(nullptr); }});
  IOLoop& loop = owner.loop();
  loop.submit([] {}).get();
  EXPECT_EQ(owner.stop_and_join(), CloseReport());
  EXPECT_TRUE(loop.is_closed());
  EXPECT_FALSE(loop.core()->affinity().is_here());
  for (int i = 0; i < 50; ++i) {
    std::thread([&] {
      EXPECT_FALSE(loop.core()->affinity().is_here()) << "thread " << i;
      EXPECT_NO_THROW(owner.join()) << "thread " << i;
    }).join();
  }
  std::thread([&] { LoopOwner ends_here = std::move(owner); }).join();
}

TEST_P(ThreadHooks, AreCalledAtTheEndOfAThreadThatACallbackEnds) {
  int ends = 0;
  bool was_closed = false;
  IOLoop* loop = nullptr;
  LoopOwner owner(kind(), options(),
                  {.start = [&] { loop = &IOLoop::current(); },
                   .end =
                       [&] {
                         ++ends;
                         was_closed = loop->is_closed();
                       }});
  owner.loop().add_callback([] { ::pthread_exit(nullptr); });
  while (!owner.loop().is_closed()) std::this_thread::yield();
  owner.stop_and_join();
  EXPECT_EQ(ends, 1);
  EXPECT_TRUE(was_closed);
}

// ---- exceptions of on_thread_end ----

TEST_P(ThreadHooks, ReachJoinWithWhatTheyThrowAtTheEnd) {
  LoopOwner owner(kind(), options(), {.end = [] { throw OwnError(3); }});
  owner.stop();
  for (int i = 0; i < 2; ++i) {
    try {
      owner.join();
      ADD_FAILURE() << "threw nothing";
    } catch (const OwnError& error) {
      EXPECT_EQ(error.number, 3) << "each time";
    }
  }
  EXPECT_TRUE(owner.loop().is_closed());
}

TEST_P(ThreadHooks, ReachJoinWithWhatTheyThrowAtTheEndOfAThreadThatACallbackEnds) {
  LoopOwner owner(kind(), options(), {.end = [] { throw OwnError(4); }});
  owner.loop().add_callback([] { ::pthread_exit(nullptr); });
  while (!owner.loop().is_closed()) std::this_thread::yield();
  owner.stop();
  EXPECT_THROW(owner.join(), OwnError);
}

TEST_P(ThreadHooks, YieldToWhatLeftTheLoopBefore) {
  LoopOptions failing = options();
  std::atomic<bool> fails{false};
  failing.clock = [&] {
    if (fails) throw std::range_error("clock");
    return Clock::now();
  };
  int ends = 0;
  LoopOwner owner(kind(), failing, {.end = [&] {
                    ++ends;
                    throw OwnError(5);
                  }});
  owner.loop().submit([&] { owner.loop().add_timeout(1h, [] {}); }).get();
  fails = true;
  while (owner.loop().add_callback([] {})) std::this_thread::yield();
  owner.stop();
  EXPECT_THROW(owner.join(), std::range_error);
  EXPECT_EQ(ends, 1);
}

TEST_P(ThreadHooks, DoNotHinderTheDestructorWithWhatTheyThrowAtTheEnd) {
  std::atomic<int> ends{0};
  {
    const LoopOwner owner(kind(), options(), {.end = [&] {
                            ++ends;
                            throw OwnError(6);
                          }});
  }
  EXPECT_EQ(ends, 1);
}

TEST_P(PoolHooks, AreAllCalledAtTheEndThoughEachThrows) {
  std::atomic<int> ends{0};
  LoopPool::Options hooked = pool_of(kLoops);
  hooked.on_thread_end = [&](std::size_t i) {
    ++ends;
    throw OwnError(static_cast<int>(i));
  };
  LoopPool pool(hooked);
  pool.stop();
  try {
    pool.join();
    ADD_FAILURE() << "threw nothing";
  } catch (const OwnError& error) {
    EXPECT_EQ(error.number, 0) << "the first";
  }
  EXPECT_EQ(ends, static_cast<int>(kLoops));
}

// ---- forked children ----

// Ends a forked child when its only thread ends; the exit code shows the calls of hooks.
struct LeavesChildAtThreadEnd {
  pid_t parent = 0;
  int code = 0;
  ~LeavesChildAtThreadEnd() {
    if (parent != 0 && ::getpid() != parent) ::_exit(code);
  }
};
thread_local LeavesChildAtThreadEnd leaves_child;

TEST_P(ThreadHooks, AreNotCalledInAChildThatTheLoopsThreadForks) {
  const pid_t parent = ::getpid();
  for (const bool in_start : {false, true}) {
    pid_t child = -1;
    int ends = 0;
    const auto fork_here = [&] {
      leaves_child.parent = parent;
      child = fork_at_rest();
    };
    {
      LoopOwner owner(kind(), options(),
                      {.start =
                           [&] {
                             if (in_start) fork_here();
                           },
                       .end =
                           [&] {
                             ++ends;
                             if (::getpid() != parent) leaves_child.code = 7;
                           }});
      if (!in_start) owner.loop().submit(fork_here).get();
    }
    EXPECT_EQ(ends, 1);
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << (in_start ? "forked in on_thread_start" : "forked in a callback");
  }
}

TEST_P(ThreadHooks, AreNotCalledInAChildThatDestroysWhatItHasOfTheParent) {
  int ends = 0;
  std::optional<LoopOwner> owner(std::in_place, kind(), options(), Hooks{.end = [&] { ++ends; }});
  owner->loop().submit([] {}).get();
  const ChildResult child = run_in_child([&] {
    owner->stop();
    owner.reset();
    return ends;
  });
  EXPECT_TRUE(child.ok()) << child;
  EXPECT_EQ(owner->loop().submit([] { return 1; }).get(), 1);
  owner.reset();
  EXPECT_EQ(ends, 1);
}

// ---- stalls ----

TEST_P(ThreadHooks, LoopsReportTheirFirstCallbackIfThatBlocks) {
  StallReports reports;
  LoopOptions watched = options();
  watched.blocking_threshold = 1ms;
  watched.on_stall = reports.action();
  const auto first = [&] { reports.wait_until_begun(1); };  // blocks until it is reported
  LoopOwner owner(kind(), watched, {.start = [&] { IOLoop::current().add_callback(first); }});
  reports.wait_until_ended(1);
  const std::vector<StallReport> all = reports.all();
  EXPECT_EQ(all.front().loop_name, owner.loop().name());
  EXPECT_GE(all.front().blocked_for, 1ms);
  owner.stop_and_join();
}

TEST_P(PoolHooks, EachLoopReportsItsFirstCallbackIfThatBlocks) {
  StallReports reports;
  LoopPool::Options watched = pool_of(kLoops);
  watched.loop.blocking_threshold = 1ms;
  watched.loop.on_stall = reports.action();
  std::set<std::string> names;
  {
    LoopPool pool(watched);
    pool.broadcast([&](IOLoop&) { reports.wait_until_begun(kLoops); });
    reports.wait_until_ended(kLoops);
    for (const StallReport& report : reports.all()) names.insert(report.loop_name);
  }
  EXPECT_THAT(names, ElementsAre("pool-0", "pool-1", "pool-2", "pool-3"));
}

TEST_P(LoopThreadHooks, AUsersLoopReportsItsFirstCallbackToo) {
  StallReports reports;
  LoopOptions watched = options();
  watched.blocking_threshold = 1ms;
  watched.on_stall = reports.action();
  IOLoop loop(watched);
  loop.run_sync([&] { reports.wait_until_begun(1); });
  reports.wait_until_ended(1);
}

TEST_P(LoopThreadHooks, StallsAreWrittenToStandardErrorIfNobodyElseIsTold) {
  const ChildResult child = run_in_child([&] {
    LoopOptions watched = options("written");
    watched.blocking_threshold = 1ms;
    IOLoop loop(watched);
    ControlLoop control(1ms);
    loop.run_sync([&] { control.let_two_thresholds_pass(); });
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
  EXPECT_THAT(child.error_output, HasSubstr("'written'"));
}

TEST_P(LoopThreadHooks, ThresholdsThatAreNoneThrowTheirNameAndLeaveNothingBehind) {
  const Belongings before = Belongings::now();
  for (const Duration threshold : {Duration::zero(), Duration(-1ns), Duration::min()}) {
    LoopOptions wrong = options("wrong");
    wrong.blocking_threshold = threshold;
    const auto names_it = AllOf(HasSubstr("blocking_threshold"),
                                HasSubstr(std::to_string(threshold.count()) + " ns"));
    EXPECT_THAT(error_of<std::invalid_argument>([&] { IOLoop loop(wrong); }), names_it);
    LoopThread::Options of_thread;
    of_thread.loop = wrong;
    EXPECT_THAT(error_of<std::invalid_argument>([&] { LoopThread thread(of_thread); }), names_it);
    LoopPool::Options of_pool;
    of_pool.loops = 2;
    of_pool.loop = wrong;
    EXPECT_THAT(error_of<std::invalid_argument>([&] { LoopPool pool(of_pool); }), names_it);
  }
  // NaN cannot be passed as a threshold, as no floating-point duration can.
  static_assert(!std::is_convertible_v<std::chrono::duration<double>, std::optional<Duration>>);
  EXPECT_TRUE(before.are_all());
}

TEST_P(LoopThreadHooks, AThresholdOfNeverWatchesNothing) {
  LoopOptions unwatched = options();
  unwatched.blocking_threshold = Duration::max();
  unwatched.on_stall = [](const StallReport&) { ADD_FAILURE() << "reported"; };
  IOLoop loop(unwatched);
  ControlLoop control(1ms);
  loop.run_sync([&] { control.let_two_thresholds_pass(); });
}

}  // namespace
}  // namespace zmqloop::testing
