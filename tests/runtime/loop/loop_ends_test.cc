// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Ends of LoopThreads and LoopPools: while their callbacks still run, when their constructor fails,
// and when a callback ends the loop's thread.

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <sys/syscall.h>
#include <thread>
#include <tuple>
#include <unistd.h>
#include <vector>

#include "tests/support/forced_unwinding.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/loop_owner.h"
#include "tests/support/process_facts.h"
#include "tests/support/stress_counts.h"
#include "tests/support/zmq_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/runtime/callbacks/periodic_callback.h"
#include "zmqloop/runtime/tasks/task.h"
#include "zmqloop/threading/host/cancellation_hold.h"

namespace zmqloop::testing {
namespace {

using ::testing::HasSubstr;

// ---- pools that are being destroyed ----

class PoolEnds : public OnBothPollers {
 protected:
  static constexpr std::size_t kLoops = 3;

  // Makes a pool whose loops increment `ended` when they end.
  std::unique_ptr<LoopPool> make_pool() {
    LoopPool::Options result;
    result.loops = kLoops;
    result.loop = options();
    result.on_thread_end = [this](std::size_t) { ++ended; };
    return std::make_unique<LoopPool>(result);
  }
  // Returns once the pool is being destroyed and all of its loops but the calling one have ended.
  void wait_for_the_others() const {
    while (ended != kLoops - 1) std::this_thread::yield();
  }

  std::atomic<std::size_t> ended{0};
};
ZMQLOOP_ON_BOTH_POLLERS(PoolEnds);

// Makes each call of LoopPool that a callback may make, and counts the accepted posts.
struct PoolCalls {
  std::atomic<int> accepted{0};
  std::atomic<int> over{0};  // run, or destroyed unrun
  std::vector<Future<int>> futures;

  void make(LoopPool& pool, std::size_t own) {
    EXPECT_EQ(pool.size(), 3u);
    for (int i = 0; i < 30; ++i) {
      accepted += pool.post([end = AtDestruction([this] { ++over; })] {}) ? 1 : 0;
      futures.push_back(pool.submit([i] { return i; }));
    }
    std::size_t open = 0;
    for (std::size_t i = 0; i < pool.size(); ++i) {
      EXPECT_EQ(pool.loop(i).is_closed(), i != own || pool.loop(own).is_closed());
      open += !pool.loop(i).is_closed();
    }
    EXPECT_EQ(pool.broadcast([](IOLoop&) {}), open);
    static_cast<void>(pool.next().add_callback([] {}));
    static_cast<void>(pool.for_key(7).add_callback([] {}));
    EXPECT_EQ(&pool.for_key(7), &pool.for_key(7));
    static_cast<void>(pool.least_loaded().stats());
    EXPECT_THROW(pool.loop(pool.size()), std::out_of_range);
    EXPECT_THAT(error_of<std::logic_error>([&] { pool.join(); }),
                HasSubstr("'" + pool.loop(own).name() + "'"));
    pool.stop();
    futures.push_back(pool.loop(own).submit([] { return 0; }));
  }
  // Call once the pool is destroyed.
  void expect_all_told() const {
    for (const Future<int>& future : futures) {
      ASSERT_TRUE(future.is_ready());
      EXPECT_THROW(future.get(), LoopClosedError);
    }
  }
};

TEST_P(PoolEnds, GivesVerdictsToACallbackThatStillRunsWhileThePoolIsDestroyed) {
  for (std::size_t own = 0; own < kLoops; ++own) {
    ended = 0;
    PoolCalls calls;
    std::unique_ptr<LoopPool> pool = make_pool();
    LoopPool& reference = *pool;
    std::atomic<bool> inside{false};
    pool->loop(own).add_callback([&] {
      inside = true;
      wait_for_the_others();
      calls.make(reference, own);
    });
    while (!inside) std::this_thread::yield();
    pool.reset();
    EXPECT_EQ(calls.accepted, 10) << "on the one loop that is open still";
    EXPECT_EQ(calls.over, 30) << "each was destroyed, once";
    calls.expect_all_told();
  }
}

// Failures: N8
TEST_P(PoolEnds, GivesVerdictsToDestructorsOfWhatItAbandonsWhileItIsDestroyed) {
  for (std::size_t own = 0; own < kLoops; ++own) {
    ended = 0;
    PoolCalls calls;
    std::unique_ptr<LoopPool> pool = make_pool();
    LoopPool& reference = *pool;
    std::atomic<bool> inside{false};
    pool->loop(own).add_callback([&] {
      inside = true;
      wait_for_the_others();
      reference.loop(own).add_callback([end = std::make_shared<AtDestruction>(
                                            [&] { calls.make(reference, own); })] {});
    });
    while (!inside) std::this_thread::yield();
    pool.reset();
    EXPECT_EQ(calls.accepted, 0);
    EXPECT_EQ(calls.over, 30);
    calls.expect_all_told();
  }
}

TEST_P(PoolEnds, GivesVerdictsToTheHookOfItsLastThreadWhileItIsDestroyed) {
  PoolCalls calls;
  LoopPool* reference = nullptr;
  LoopPool::Options hooked;
  hooked.loops = kLoops;
  hooked.loop = options();
  hooked.on_thread_end = [&](std::size_t i) {
    if (++ended == kLoops) calls.make(*reference, i);
  };
  auto pool = std::make_unique<LoopPool>(hooked);
  reference = pool.get();
  pool.reset();
  EXPECT_EQ(calls.accepted, 0);
  EXPECT_EQ(calls.over, 30);
  calls.expect_all_told();
}

// All loops post at once; none knows the progress of the destructor.
// Failures: N1
TEST_P(PoolEnds, LosesNothingThatItsLoopsPostToEachOtherWhileItIsDestroyed) {
  const std::uint64_t rounds = stress_count(200) + 5;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    std::atomic<std::uint64_t> accepted{0};
    std::atomic<std::uint64_t> over{0};
    std::unique_ptr<LoopPool> pool = make_pool();
    LoopPool& reference = *pool;
    struct Hop {
      LoopPool* pool;
      std::atomic<std::uint64_t>* accepted;
      std::atomic<std::uint64_t>* over;
      std::shared_ptr<AtDestruction> end;
      static Hop make(LoopPool& pool, std::atomic<std::uint64_t>& accepted,
                      std::atomic<std::uint64_t>& over) {
        return {&pool, &accepted, &over, std::make_shared<AtDestruction>([&over] { ++over; })};
      }
      void operator()() const {
        for (int i = 0; i < 2; ++i) {
          ++*accepted;  // first, as the post may run before post() returns
          if (pool->size() == kLoops && pool->post(make(*pool, *accepted, *over))) continue;
          --*accepted;
          --*over;
        }
      }
    };
    for (std::size_t i = 0; i < kLoops; ++i) {
      ++accepted;
      ASSERT_TRUE(reference.loop(i).add_callback(Hop::make(reference, accepted, over)));
    }
    while (accepted < round) std::this_thread::yield();
    pool.reset();
    ASSERT_EQ(accepted, over) << "round " << round;
  }
}

// By then the other loops know the loop whose hook fails.
// Failures: N11
TEST_P(PoolEnds, KeepsAllItsLoopsUntilAllItsThreadsHaveEndedIfItIsNotMade) {
  for (std::size_t failing = 1; failing < kLoops; ++failing) {
    std::vector<IOLoop*> loops(kLoops);
    std::atomic<std::size_t> entered{0};
    std::atomic<int> accepted{0};
    LoopPool::Options hooked;
    hooked.loops = kLoops;
    hooked.loop = options();
    hooked.on_thread_start = [&](std::size_t i) {
      loops[i] = &IOLoop::current();
      if (i != failing) return;
      for (std::size_t other = 0; other < failing; ++other) {
        loops[other]->add_callback([&, target = loops[failing]] {
          ++entered;
          while (!target->is_closed()) std::this_thread::yield();
          for (int n = 0; n < 1'000; ++n) {
            if (target->add_callback([] {})) ++accepted;
            if (n % 100 == 0) std::this_thread::yield();
          }
          EXPECT_EQ(target->name(), "pool-" + std::to_string(failing));
        });
      }
      while (entered != failing) std::this_thread::yield();
      throw std::range_error("not made");
    };
    EXPECT_THROW(LoopPool pool(hooked), std::range_error);
    EXPECT_EQ(accepted, 0);
  }
}

// ---- threads that end on the way ----

// How a callback ends the loop's thread.
enum class End { kExit, kCancel };

void end_this_thread(End end) {
  if (end == End::kExit) ::pthread_exit(nullptr);
  ::pthread_cancel(::pthread_self());
  ::pthread_testcancel();
}

// How the callback is given to the loop.
struct WayIn {
  const char* name;
  void (*give)(IOLoop& loop, std::function<void()> f);
};

Task<void> as_task(std::function<void()> f) {
  f();
  co_return;
}
Task<void> as_task_that_has_waited(std::function<void()> f) {
  co_await sleep_for(1us);
  f();
}

const WayIn kWaysIn[] = {
    {"Callback", [](IOLoop& loop, std::function<void()> f) { loop.add_callback(std::move(f)); }},
    {"Timer",
     [](IOLoop& loop, std::function<void()> f) {
       loop.add_callback([&loop, f = std::move(f)] { loop.add_timeout(1us, f); });
     }},
    {"Handler",
     [](IOLoop& loop, std::function<void()> f) {
       loop.add_callback([&loop, f = std::move(f), event = std::make_shared<OwnedFd>(make_event(true))] {
         loop.add_handler(
             event->get(), [event, f] { f(); }, Events::kRead);
       });
     }},
    {"Submission", [](IOLoop& loop, std::function<void()> f) { loop.submit(std::move(f)); }},
    {"SignalPost",
     [](IOLoop& loop, std::function<void()> f) {
       static std::function<void()> kept;
       kept = std::move(f);
       loop.add_callback_from_signal([] { kept(); });
     }},
    {"TaskOfACallback",
     [](IOLoop& loop, std::function<void()> f) {
       loop.add_callback([f = std::move(f)] { return as_task(f); });
     }},
    {"TaskOfATimer",
     [](IOLoop& loop, std::function<void()> f) {
       loop.add_callback([&loop, f = std::move(f)] {
         loop.add_timeout(1us, [f] { return as_task(f); });
       });
     }},
    {"TaskOfAHandler",
     [](IOLoop& loop, std::function<void()> f) {
       loop.add_callback([&loop, f = std::move(f), event = std::make_shared<OwnedFd>(make_event(true))] {
         loop.add_handler(
             event->get(), [event, f] { return as_task(f); }, Events::kRead);
       });
     }},
    {"SpawnedTask", [](IOLoop& loop, std::function<void()> f) { spawn(loop, as_task(std::move(f))); }},
    {"TaskThatHasWaited",
     [](IOLoop& loop, std::function<void()> f) {
       spawn(loop, as_task_that_has_waited(std::move(f)));
     }},
    {"TaskWithinATask",
     [](IOLoop& loop, std::function<void()> f) {
       spawn(loop, [f = std::move(f)]() -> Task<void> { co_await as_task_that_has_waited(f); });
     }},
    {"ContinuationOfAFuture",
     [](IOLoop& loop, std::function<void()> f) {
       Promise<void> promise;
       loop.add_future(promise.get_future(), [f = std::move(f)](const Future<void>&) { f(); });
       promise.set_value();
     }},
};

class ThreadEnds : public ::testing::TestWithParam<std::tuple<OwnerKind, PollerKind, std::size_t>> {
 protected:
  void SetUp() override {
    if (!kMayUnwind) GTEST_SKIP() << kWhyNoUnwinding;
  }
  static OwnerKind kind() { return std::get<0>(GetParam()); }
  static const WayIn& way_in() { return kWaysIn[std::get<2>(GetParam())]; }
  static LoopOptions options() {
    LoopOptions options;
    options.poller = std::get<1>(GetParam());
    return options;
  }
  const LoopWatchdog watchdog_;
};
std::string thread_end_name(
    const ::testing::TestParamInfo<std::tuple<OwnerKind, PollerKind, std::size_t>>& info) {
  return std::string(kWaysIn[std::get<2>(info.param)].name) + "Of" +
         owner_name(std::get<0>(info.param)) +
         (std::get<1>(info.param) == PollerKind::kEpoll ? "Epoll" : "ZmqPoll");
}
INSTANTIATE_TEST_SUITE_P(
    All, ThreadEnds,
    ::testing::Combine(::testing::Values(OwnerKind::kThread, OwnerKind::kLastOfAPool),
                       ::testing::Values(PollerKind::kEpoll, PollerKind::kZmqPoll),
                       ::testing::Range(std::size_t{0}, std::size(kWaysIn))),
    thread_end_name);

// Expects that a loop whose thread has ended is closed.
void expect_ended(IOLoop& loop) {
  EXPECT_TRUE(loop.is_closed());
  EXPECT_FALSE(loop.is_running());
  EXPECT_FALSE(loop.core()->affinity().is_here());
  EXPECT_FALSE(loop.add_callback([] {}));
  EXPECT_FALSE(loop.add_callback_from_signal([] {}));
  EXPECT_THROW(loop.submit([] {}).get(), LoopClosedError);
  EXPECT_THROW(loop.add_timeout(1s, [] {}), LoopClosedError);
  EXPECT_EQ(loop.stats().pending, 0u);
}

// Failures: D13
TEST_P(ThreadEnds, CloseTheLoopAndTellEverybodyWhateverHasEndedTheThread) {
  for (const End end : {End::kExit, End::kCancel}) {
    LoopOwner owner(kind(), options());
    IOLoop& loop = owner.loop();
    const auto alive = std::make_shared<int>();
    std::vector<Future<int>> behind;
    Future<void> waiting;
    std::atomic<bool> queued{false};
    loop.add_callback([&] {
      while (!queued) std::this_thread::yield();
    });
    way_in().give(loop, [&, alive] {
      for (int i = 0; i < 3; ++i) behind.push_back(loop.submit([i, alive] { return i; }));
      waiting = spawn(loop, [alive]() -> Task<void> { co_await sleep_for(24h); });
      loop.add_timeout(24h, [alive] {});
      end_this_thread(end);
    });
    queued = true;
    while (!loop.is_closed()) std::this_thread::yield();
    EXPECT_NO_THROW(owner.stop_and_join());
    expect_ended(loop);
    ASSERT_EQ(behind.size(), 3u) << "it was called once";
    for (const Future<int>& future : behind) {
      ASSERT_TRUE(future.is_ready());
      EXPECT_THROW(future.get(), LoopClosedError);
    }
    ASSERT_TRUE(waiting.is_ready());
    EXPECT_THROW(waiting.get(), LoopClosedError);
    if (std::string(way_in().name) == "SignalPost") continue;  // this one keeps `alive`
    EXPECT_EQ(alive.use_count(), 1) << "everything is destroyed";
  }
}

class LoopThreadEnds : public OnBothPollers {
 protected:
  void SetUp() override {
    if (!kMayUnwind) GTEST_SKIP() << kWhyNoUnwinding;
  }
  static LoopThread::Options named(std::string name) {
    LoopThread::Options result;
    result.name = std::move(name);
    result.loop = options();
    return result;
  }
};
ZMQLOOP_ON_BOTH_POLLERS(LoopThreadEnds);

TEST_P(LoopThreadEnds, TellTheFutureOfWhatHasEndedTheThread) {
  for (const End end : {End::kExit, End::kCancel}) {
    LoopThread thread(named("ended"));
    const auto submitted = thread.loop().submit([end] {
      end_this_thread(end);
      return 1;
    });
    EXPECT_THROW(submitted.get(), LoopClosedError);
    EXPECT_EQ(thread.join(), CloseReport());
    LoopThread second(named("ended"));
    const auto spawned = spawn(second.loop(), [end]() -> Task<int> {
      co_await sleep_for(1us);
      end_this_thread(end);
      co_return 1;
    });
    EXPECT_THROW(spawned.get(), LoopClosedError);
    EXPECT_EQ(second.join(), CloseReport());
  }
}

TEST_P(LoopThreadEnds, AreJoinedAndDestroyedByAnyThreadAfterwards) {
  for (int round = 0; round < 20; ++round) {
    auto thread = std::make_unique<LoopThread>(named("ended"));
    thread->loop().add_callback([] { ::pthread_exit(nullptr); });
    while (!thread->loop().is_closed()) std::this_thread::yield();
    for (int i = 0; i < 2; ++i) {
      std::thread([&] {
        EXPECT_FALSE(thread->is_here());
        EXPECT_NO_THROW(thread->join());
      }).join();
    }
    std::thread([&] { thread.reset(); }).join();
  }
}

TEST_P(LoopThreadEnds, LeaveNothingBehind) {
  const auto cycle = [&](End end) {
    LoopThread thread(named("ended"));
    thread.loop().add_callback([end] { end_this_thread(end); });
    while (!thread.loop().is_closed()) std::this_thread::yield();
  };
  cycle(End::kExit);
  const std::size_t descriptors = open_descriptors();
  const std::size_t threads = living_threads();
  for (int i = 0; i < 100; ++i) cycle(i % 2 == 0 ? End::kExit : End::kCancel);
  EXPECT_TRUE(eventually([&] { return open_descriptors() <= descriptors; }));
  EXPECT_TRUE(eventually([&] { return living_threads() <= threads; }));
}

// ---- cancelled from outside ----

// ThreadSanitizer cannot follow a cancellation out of its own epoll_wait() and poll().
#ifdef __SANITIZE_THREAD__
constexpr bool kFollowsCancellations = false;
#else
constexpr bool kFollowsCancellations = true;
#endif

TEST_P(LoopThreadEnds, ByACancellationWhileTheLoopSleeps) {
  if (!kFollowsCancellations) GTEST_SKIP();
  for (int round = 0; round < 20; ++round) {
    LoopOptions sleepy = options("cancelled");
    sleepy.idle_spin = Duration::zero();
    LoopThread::Options of_thread;
    of_thread.loop = sleepy;
    LoopThread thread(of_thread);
    const auto alive = std::make_shared<int>();
    const auto [self, id] = thread.loop()
                                .submit([&] {
                                  thread.loop().add_timeout(24h, [alive] {});
                                  return std::pair(::pthread_self(), ::gettid());
                                })
                                .get();
    if (round % 2 == 0) {
      ASSERT_TRUE(eventually([&, thread_id = id] {
        return thread_status(thread_id, "State").rfind('S', 0) == 0;
      }));
    }
    ASSERT_EQ(::pthread_cancel(self), 0);
    while (!thread.loop().is_closed()) std::this_thread::yield();
    EXPECT_EQ(thread.join(), (CloseReport{0, 1, 0}));
    expect_ended(thread.loop());
    EXPECT_EQ(alive.use_count(), 1);
  }
}

// Failures: D13
TEST_P(LoopThreadEnds, ByACancellationWhileTheLoopIsBusy) {
  if (!kFollowsCancellations) GTEST_SKIP();
  for (int round = 0; round < 50; ++round) {
    LoopThread other(named("other"));
    LoopThread thread(named("cancelled"));
    std::atomic<std::uint64_t> accepted{0};
    std::atomic<std::uint64_t> over{0};
    std::atomic<std::uint64_t> refused{0};
    std::thread poster([&] {
      const auto entry = [&] { return AtDestruction([&] { ++over; }); };
      while (thread.loop().add_callback([&, end = entry()] {
        static_cast<void>(other.loop().add_callback([] {}));  // wakes it, as the poster wakes this
      })) {
        ++accepted;
        if (accepted % 8 == 0) std::this_thread::yield();
      }
      ++refused;
    });
    const pthread_t self = thread.loop().submit([] { return ::pthread_self(); }).get();
    while (accepted < static_cast<std::uint64_t>(round) * 7) std::this_thread::yield();
    ASSERT_EQ(::pthread_cancel(self), 0);
    poster.join();
    thread.join();
    expect_ended(thread.loop());
    EXPECT_EQ(over, accepted + refused) << "nothing was lost in round " << round;
    EXPECT_EQ(other.loop().submit([] { return 1; }).get(), 1);
  }
}

// libzmq calls cancellation points in the middle of its own work.
TEST_P(LoopThreadEnds, ByACancellationWhileTheLoopPassesMessages) {
  if (!kFollowsCancellations) GTEST_SKIP();
  if (GetParam() == PollerKind::kZmqPoll) GTEST_SKIP() << "see ZmqPollPoller::poll_items()";
  for (int round = 0; round < 50; ++round) {
    zmq::context_t context;
    SocketPair pair(context, zmq::socket_type::pair, zmq::socket_type::pair);
    std::atomic<int> messages{0};
    LoopThread thread(named("cancelled"));
    thread.loop()
        .submit([&] {
          const auto pass_on = [&](zmq::socket_t& socket) {
            thread.loop().add_handler(
                socket,
                [&] {
                  const CancellationHold hold;  // the handler itself must not be cancelled
                  if (const auto message = receive(socket)) send(socket, *message);
                  ++messages;
                },
                Events::kRead);
          };
          pass_on(pair.near);
          pass_on(pair.far);
          send(pair.near, "ball");
        })
        .get();
    const pthread_t self = thread.loop().submit([] { return ::pthread_self(); }).get();
    while (messages < round) std::this_thread::yield();
    ASSERT_EQ(::pthread_cancel(self), 0);
    while (!thread.loop().is_closed()) std::this_thread::yield();
    EXPECT_EQ(thread.join().handlers_removed, 2u);
  }
}

// The cancellation must not take effect while the loop wakes another one, which must not be left
// half done. It takes effect at the next allowed cancellation point.
TEST_P(LoopThreadEnds, ByACancellationThatWaitsWhileTheLoopWakesAnother) {
  if (!kFollowsCancellations) GTEST_SKIP();
  for (const bool reports : {false, true}) {
    LoopOptions sleepy = options("sleeping");
    sleepy.idle_spin = Duration::zero();
    LoopThread::Options of_thread;
    of_thread.loop = sleepy;
    LoopThread sleeper(of_thread);
    const pid_t id = sleeper.loop().submit([] { return ::gettid(); }).get();
    LoopThread thread(named("cancelled"));
    std::atomic<int> ran{0};
    ::testing::internal::CaptureStderr();
    thread.loop().add_callback([&] {
      ASSERT_TRUE(eventually([&] { return thread_status(id, "State").rfind('S', 0) == 0; }));
      ::pthread_cancel(::pthread_self());
      sleeper.loop().add_callback([&] { ++ran; });
      sleeper.loop().add_callback_from_signal([] {});
      if (reports) throw std::range_error("reported");
    });
    while (!thread.loop().is_closed()) std::this_thread::yield();
    thread.join();
    const std::string written = ::testing::internal::GetCapturedStderr();
    expect_ended(thread.loop());
    sleeper.loop().submit([] {}).get();
    EXPECT_EQ(ran, 1);
    EXPECT_EQ(written.find("reported") != std::string::npos, reports) << written;
  }
}

TEST_P(LoopThreadEnds, ByACancellationThatComesAfterAStop) {
  for (int round = 0; round < 20; ++round) {
    int ends = 0;
    LoopThread::Options hooked = named("cancelled");
    hooked.on_thread_end = [&] {
      ::pthread_testcancel();
      ++ends;
    };
    LoopThread thread(hooked);
    const auto alive = std::make_shared<int>();
    thread.loop().add_callback([&] {
      thread.stop();
      thread.loop().add_callback([alive] {});
      ::pthread_cancel(::pthread_self());
    });
    EXPECT_EQ(thread.join().callbacks_abandoned, 1u) << "it closes as it would have";
    expect_ended(thread.loop());
    EXPECT_EQ(alive.use_count(), 1);
    EXPECT_EQ(ends, 1);
  }
}

// ---- exceptions ----

TEST_P(LoopThreadEnds, NotByWhatACallbackThrows) {
  LoopThread thread(named("going on"));
  ::testing::internal::CaptureStderr();
  thread.loop().add_callback([] { throw 1; });
  EXPECT_EQ(thread.loop().submit([] { return 2; }).get(), 2);
  const std::string written = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(written, HasSubstr("'going on'"));
  thread.stop();
  EXPECT_EQ(thread.join(), CloseReport());
}

// A loop reads its clock between callbacks. Only join() can report an exception of the clock.
TEST_P(LoopThreadEnds, ByWhatTheClockThrowsWhichIsGivenToWhoJoins) {
  std::atomic<bool> fails{false};
  LoopThread::Options failing = named("failing");
  failing.loop.clock = [&] {
    if (fails) throw 1;
    return Clock::now();
  };
  LoopThread thread(failing);
  const auto alive = std::make_shared<int>();
  Future<int> behind;
  thread.loop()
      .submit([&] {
        thread.loop().add_timeout(24h, [alive] {});
        fails = true;
        behind = thread.loop().submit([alive] { return 1; });
      })
      .get();
  while (!thread.loop().is_closed()) std::this_thread::yield();
  for (int i = 0; i < 2; ++i) {
    try {
      thread.join();
      ADD_FAILURE() << "threw nothing";
    } catch (const int thrown) {
      EXPECT_EQ(thrown, 1);
    }
  }
  expect_ended(thread.loop());
  EXPECT_TRUE(behind.is_ready());
  EXPECT_EQ(alive.use_count(), 1);
}

// Failures: N10
TEST_P(PoolEnds, OfOneThreadLeaveTheOthersAtWork) {
  if (!kMayUnwind) GTEST_SKIP() << kWhyNoUnwinding;
  for (std::size_t ending = 0; ending < kLoops; ++ending) {
    for (const End end : {End::kExit, End::kCancel}) {
      ended = 0;
      std::unique_ptr<LoopPool> pool = make_pool();
      pool->loop(ending).add_callback([end] { end_this_thread(end); });
      while (ended == 0) std::this_thread::yield();
      expect_ended(pool->loop(ending));
      for (std::size_t i = 0; i < kLoops; ++i) {
        if (i == ending) continue;
        EXPECT_EQ(pool->loop(i).submit([i] { return i; }).get(), i);
      }
      int accepted = 0;
      for (std::size_t i = 0; i < kLoops; ++i) accepted += pool->post([] {});
      EXPECT_EQ(accepted, static_cast<int>(kLoops) - 1);
      EXPECT_EQ(pool->broadcast([](IOLoop&) {}), kLoops - 1);
      if (end == End::kExit) {
        pool->stop();
        pool->join();
      }
    }
  }
}

}  // namespace
}  // namespace zmqloop::testing
