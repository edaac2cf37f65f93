// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// pthread_exit() and cancellation inside a loop's callbacks. The C library unwinds such a thread by
// a forced unwind, which is no C++ exception: everything it unwinds is destroyed, futures get their
// error, and the process does not abort.

#include <atomic>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <optional>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <sys/eventfd.h>
#include <thread>
#include <tuple>
#include <utility>

#include "tests/support/child_process.h"
#include "tests/support/entry_points.h"
#include "tests/support/forced_unwinding.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/zmq_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/runtime/callbacks/delayed_callback.h"
#include "zmqloop/runtime/callbacks/periodic_callback.h"
#include "zmqloop/runtime/pool/loop_thread.h"

namespace zmqloop::testing {
namespace {

enum class How { kExit, kCancellation };

void end_this_thread(How how) {
  if (how == How::kExit) pthread_exit(nullptr);
  pthread_cancel(pthread_self());
  pthread_testcancel();
}

// Runs `f` on a thread of its own; returns whether the thread ended before `f` returned.
bool is_ended_in(const std::function<void()>& f) {
  struct Body {
    const std::function<void()>* f;
    bool returned = false;
  } body{&f};
  pthread_t thread;
  EXPECT_EQ(pthread_create(
                &thread, nullptr,
                [](void* argument) -> void* {
                  Body& its = *static_cast<Body*>(argument);
                  (*its.f)();
                  its.returned = true;
                  return nullptr;
                },
                &body),
            0);
  EXPECT_EQ(pthread_join(thread, nullptr), 0);
  return !body.returned;
}

class ThreadsThatEnd : public ::testing::TestWithParam<std::tuple<How, PollerKind>> {
 protected:
  void SetUp() override {
    if (!kMayUnwind) GTEST_SKIP() << kWhyNoUnwinding;
  }
  static How how() { return std::get<How>(GetParam()); }
  static LoopOptions options(const char* name = "tested") {
    return {.poller = std::get<PollerKind>(GetParam()), .name = name};
  }

  // In a process of its own, lets `give` give a loop a callback that ends its thread. Checks that
  // on a LoopThread the loop is closed and the futures in its queue are ready, and that a plain
  // IOLoop can be run again by another thread. Also calls `check` for each loop.
  template <class Give, class Check>
  static void expect_clean_ends(Give give, Check check) {
    const ChildResult child = run_in_child([&] {
      {
        SCOPED_TRACE("LoopThread");
        LoopThread thread(LoopThread::Options{.loop = options("worker")});
        const auto keep = give(thread.loop());
        thread.join();
        ZMQLOOP_CHILD_EXPECT(thread.loop().is_closed());
        ZMQLOOP_CHILD_EXPECT(!thread.loop().add_callback([] {}));
        ZMQLOOP_CHILD_EXPECT(thread.loop().submit([] {}).is_ready());
        ZMQLOOP_CHILD_EXPECT(check(keep));
      }
      IOLoop loop(options());
      auto keep = give(loop);
      ZMQLOOP_CHILD_EXPECT(is_ended_in([&] { loop.start(); }));
      ZMQLOOP_CHILD_EXPECT(!loop.is_running());
      ZMQLOOP_CHILD_EXPECT(!loop.is_closed());
      ZMQLOOP_CHILD_EXPECT(check(keep));
      ZMQLOOP_CHILD_EXPECT(loop.run_sync([] { return 7; }) == 7);
      return 0;
    });
    EXPECT_TRUE(child.ok()) << child;
    EXPECT_EQ(child.error_output, "");
  }
  template <class Give>
  static void expect_clean_ends(Give give) {
    expect_clean_ends(give, [](const auto&) { return true; });
  }

  const LoopWatchdog watchdog_;
};
std::string way_name(const ::testing::TestParamInfo<std::tuple<How, PollerKind>>& way) {
  const bool exits = std::get<How>(way.param) == How::kExit;
  const bool epoll = std::get<PollerKind>(way.param) == PollerKind::kEpoll;
  return std::string(exits ? "Exit" : "Cancellation") + (epoll ? "Epoll" : "ZmqPoll");
}
INSTANTIATE_TEST_SUITE_P(Ways, ThreadsThatEnd,
                         ::testing::Combine(::testing::Values(How::kExit, How::kCancellation),
                                            ::testing::Values(PollerKind::kEpoll,
                                                              PollerKind::kZmqPoll)),
                         way_name);

// Returns whether a future is ready and holds an exception.
template <class T>
bool is_told(const Future<T>& future) {
  return future.is_ready() && future.exception() != nullptr;
}

// Coroutines that end their thread: before they suspend, after that, and in a task that they await.
Task<void> ends_at_once(How how, std::shared_ptr<int> held) {
  end_this_thread(how);
  co_await sleep_for(0s);
  ++*held;
}
Task<void> ends_after_a_sleep(How how, std::shared_ptr<int> held) {
  co_await sleep_for(0s);
  end_this_thread(how);
  ++*held;
}
Task<void> ends_in_what_it_awaits(How how, std::shared_ptr<int> held, bool at_once) {
  const std::shared_ptr<int> also = held;
  if (at_once) {
    co_await ends_at_once(how, held);
  } else {
    co_await ends_after_a_sleep(how, held);
  }
  ++*also;
}
Task<void> ends_in_a_handler_of_an_exception(How how, std::shared_ptr<int> held) {
  bool caught = false;
  try {
    co_await sleep_for(0s);
    throw std::runtime_error("caught");
  } catch (const std::runtime_error&) {
    caught = true;
  }
  if (caught) end_this_thread(how);
  ++*held;
}

// ---- callables ---------------------------------------------------------------------------------

TEST_P(ThreadsThatEnd, InACallbackDestroyItAndWhatIsQueuedBehindIt) {
  expect_clean_ends(
      [](IOLoop& loop) {
        const auto held = std::make_shared<int>();
        loop.add_callback([held] { end_this_thread(how()); });
        return std::weak_ptr<int>(held);
      },
      [](const std::weak_ptr<int>& held) { return held.expired(); });
}

TEST_P(ThreadsThatEnd, InATimerDestroyIt) {
  expect_clean_ends(
      [](IOLoop& loop) {
        const auto held = std::make_shared<int>();
        loop.add_callback([held, &loop] {
          loop.call_later(0s, [held] { end_this_thread(how()); });
        });
        return std::weak_ptr<int>(held);
      },
      [](const std::weak_ptr<int>& held) { return held.expired(); });
}

TEST_P(ThreadsThatEnd, InAHandlerLeaveTheLoopUsable) {
  OwnedFd event = make_event(/*readable=*/true);
  expect_clean_ends([&](IOLoop& loop) {
    loop.add_callback([&] {
      loop.add_handler(
          event.get(),
          [&loop](Pollable self, Events) {
            loop.remove_handler(self);
            end_this_thread(how());
          },
          Events::kRead);
    });
    return 0;
  });
}

TEST_P(ThreadsThatEnd, InASubmittedCallableTellItsFuture) {
  expect_clean_ends([](IOLoop& loop) { return loop.submit([] { end_this_thread(how()); }); },
                    [](const Future<void>& future) { return is_told(future); });
}

TEST_P(ThreadsThatEnd, InThenTellItsFuture) {
  expect_clean_ends(
      [](IOLoop& loop) {
        Promise<int> promise;
        const Future<void> after =
            promise.get_future().then(loop, [](auto&&) { end_this_thread(how()); });
        promise.set_value(1);
        return after;
      },
      [](const Future<void>& future) { return is_told(future); });
}

// ---- coroutines --------------------------------------------------------------------------------

// Checks that the objects of a spawned coroutine are destroyed and that its future has an error.
struct Spawned {
  Future<void> future;
  std::weak_ptr<int> held;
  bool has_ended() const { return is_told(future) && held.expired(); }
};
const auto kSpawnedHasEnded = [](const Spawned& spawned) { return spawned.has_ended(); };

template <class MakeTask>
auto spawning(MakeTask make_task) {
  return [make_task](IOLoop& loop) {
    const auto held = std::make_shared<int>();
    return Spawned{spawn(loop, make_task(held)), held};
  };
}

TEST_P(ThreadsThatEnd, InASpawnedTaskTellItsFuture) {
  expect_clean_ends(spawning([](auto held) { return ends_at_once(how(), held); }),
                    kSpawnedHasEnded);
}

TEST_P(ThreadsThatEnd, InATaskThatHasSleptTellItsFuture) {
  expect_clean_ends(spawning([](auto held) { return ends_after_a_sleep(how(), held); }),
                    kSpawnedHasEnded);
}

TEST_P(ThreadsThatEnd, InATaskThatIsAwaitedTellTheAwaitersFuture) {
  expect_clean_ends(
      spawning([](auto held) { return ends_in_what_it_awaits(how(), held, /*at_once=*/true); }),
      kSpawnedHasEnded);
}

TEST_P(ThreadsThatEnd, InATaskThatIsAwaitedAndHasSleptTellTheAwaitersFuture) {
  expect_clean_ends(
      spawning([](auto held) { return ends_in_what_it_awaits(how(), held, /*at_once=*/false); }),
      kSpawnedHasEnded);
}

TEST_P(ThreadsThatEnd, InATaskThatHasCaughtAnExceptionTellItsFuture) {
  expect_clean_ends(
      spawning([](auto held) { return ends_in_a_handler_of_an_exception(how(), held); }),
      kSpawnedHasEnded);
}

TEST_P(ThreadsThatEnd, InSubmittedTasksTellTheirFutures) {
  for (const bool at_once : {true, false}) {
    expect_clean_ends(
        [at_once](IOLoop& loop) {
          const auto held = std::make_shared<int>();
          return Spawned{loop.submit([at_once, held] {
            return at_once ? ends_at_once(how(), held) : ends_after_a_sleep(how(), held);
          }),
                         held};
        },
        kSpawnedHasEnded);
  }
}

TEST_P(ThreadsThatEnd, InATaskThatACallbackHasReturnedDestroyIt) {
  for (const bool at_once : {true, false}) {
    expect_clean_ends(
        [at_once](IOLoop& loop) {
          const auto held = std::make_shared<int>();
          loop.add_callback([at_once, held]() -> Task<void> {
            if (at_once) return ends_at_once(how(), held);
            return ends_in_what_it_awaits(how(), held, false);
          });
          return std::weak_ptr<int>(held);
        },
        [](const std::weak_ptr<int>& held) { return held.expired(); });
  }
}

TEST_P(ThreadsThatEnd, InATaskThatAHandlerHasReturnedLeaveTheLoopUsable) {
  for (const bool at_once : {true, false}) {
    const OwnedFd event = make_event(/*readable=*/true);
    expect_clean_ends([&event, at_once](IOLoop& loop) {
      const auto calls = std::make_shared<std::atomic<int>>(0);
      loop.add_callback([&event, at_once, calls, &loop] {
        loop.add_handler(
            event.get(),
            [at_once, calls]() -> Task<void> {
              if (++*calls > 1) return [](IOLoop& here) -> Task<void> {
                here.stop();
                co_return;
              }(IOLoop::current());
              const auto held = std::make_shared<int>();
              return at_once ? ends_at_once(how(), held) : ends_after_a_sleep(how(), held);
            },
            Events::kRead);
      });
      return 0;
    });
  }
}

// ---- handlers and timers are called again ------------------------------------------------------

TEST_P(ThreadsThatEnd, InAHandlersTaskLetTheHandlerBeCalledAgain) {
  for (const bool at_once : {true, false}) {
    const OwnedFd event = make_event(/*readable=*/true);
    const ChildResult child = run_in_child([&] {
      IOLoop loop(options());
      int calls = 0;
      loop.add_handler(
          event.get(),
          [&]() -> Task<void> {
            if (++calls == 2) loop.stop();
            if (!at_once) co_await sleep_for(0s);
            if (calls == 1) end_this_thread(how());
          },
          Events::kRead);
      ZMQLOOP_CHILD_EXPECT(is_ended_in([&] { loop.start(); }));
      ZMQLOOP_CHILD_EXPECT(calls == 1);
      loop.start();
      ZMQLOOP_CHILD_EXPECT(calls == 2);
      return 0;
    });
    EXPECT_TRUE(child.ok()) << child;
  }
}

// Runs a PeriodicCallback of `f(call)`, whose first call ends the thread. Returns 0 on success.
template <class F>
int call_periodically(LoopOptions options, F f) {
  FakeClock clock;
  options.clock = clock.function();
  IOLoop loop(options);
  const auto turn = [&] {
    loop.add_callback([&] { loop.add_callback([&] { loop.stop(); }); });
    loop.start();
  };
  auto callable = std::make_shared<int>();
  const std::weak_ptr<int> watch = callable;
  int calls = 0;
  std::optional<PeriodicCallback> periodic;
  periodic.emplace([&calls, f, own = std::move(callable)] { return f(++calls); }, 10ms, &loop);
  periodic->start();
  clock.advance(10ms);
  ZMQLOOP_CHILD_EXPECT(is_ended_in([&] {
    for (;;) turn();
  }));
  ZMQLOOP_CHILD_EXPECT(calls == 1);
  turn();  // ends by the stop() that the ended thread has left behind
  turn();
  for (int i = 2; i < 5; ++i) {
    clock.advance(10ms);
    turn();
    turn();
    ZMQLOOP_CHILD_EXPECT(calls == i);
  }
  periodic.reset();
  ZMQLOOP_CHILD_EXPECT(watch.expired());
  ZMQLOOP_CHILD_EXPECT(loop.close().timers_abandoned == 0);
  return 0;
}

TEST_P(ThreadsThatEnd, InAPeriodicCallbackLetItTickOnElsewhere) {
  const ChildResult child = run_in_child([] {
    return call_periodically(options(), [](int call) {
      if (call == 1) end_this_thread(how());
    });
  });
  EXPECT_TRUE(child.ok()) << child;
}

TEST_P(ThreadsThatEnd, InTheTaskOfAPeriodicCallbackLetItTickOnElsewhere) {
  for (const bool at_once : {true, false}) {
    const ChildResult child = run_in_child([at_once] {
      return call_periodically(options(), [at_once](int call) {
        return [](bool sleeps, int number) -> Task<void> {
          if (sleeps) co_await sleep_for(0s);
          if (number == 1) end_this_thread(how());
        }(!at_once, call);
      });
    });
    EXPECT_TRUE(child.ok()) << child;
  }
}

TEST_P(ThreadsThatEnd, InTheTaskOfADelayedCallbackLetItBeStartedAgain) {
  for (const bool at_once : {true, false}) {
    const ChildResult child = run_in_child([at_once] {
      IOLoop loop(options());
      auto callable = std::make_shared<int>();
      const std::weak_ptr<int> watch = callable;
      int calls = 0;
      std::optional<DelayedCallback> delayed;
      delayed.emplace(
          [&calls, &loop, at_once, own = std::move(callable)]() -> Task<void> {
            const bool is_first = ++calls == 1;
            IOLoop& here = loop;
            if (!at_once) co_await sleep_for(0s);
            if (is_first) end_this_thread(how());
            here.stop();
          },
          0ms, &loop);
      delayed->start();
      ZMQLOOP_CHILD_EXPECT(is_ended_in([&] { loop.start(); }));
      delayed->start();
      loop.start();
      ZMQLOOP_CHILD_EXPECT(calls == 2);
      delayed.reset();
      ZMQLOOP_CHILD_EXPECT(watch.expired());
      return 0;
    });
    EXPECT_TRUE(child.ok()) << child;
  }
}

// ---- run_sync ----------------------------------------------------------------------------------

TEST_P(ThreadsThatEnd, InTheFunctionOfRunSyncLeaveTheLoopUsable) {
  const ChildResult child = run_in_child([] {
    IOLoop loop(options());
    const Future<int> queued = loop.submit([] { return 1; });
    std::weak_ptr<int> watch;
    ZMQLOOP_CHILD_EXPECT(is_ended_in([&] {
      const auto held = std::make_shared<int>();
      watch = held;
      loop.run_sync([held] { end_this_thread(how()); }, 1h);
    }));
    ZMQLOOP_CHILD_EXPECT(watch.expired());
    ZMQLOOP_CHILD_EXPECT(queued.get() == 1);
    ZMQLOOP_CHILD_EXPECT(!loop.is_running());
    ZMQLOOP_CHILD_EXPECT(loop.run_sync([] { return 7; }) == 7);
    ZMQLOOP_CHILD_EXPECT(loop.close() == CloseReport());
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
  EXPECT_EQ(child.error_output, "");
}

TEST_P(ThreadsThatEnd, InTheTaskOfRunSyncLeaveTheLoopUsable) {
  for (const bool at_once : {true, false}) {
    for (const bool nested : {false, true}) {
      const ChildResult child = run_in_child([at_once, nested] {
        IOLoop loop(options());
        const auto held = std::make_shared<int>();
        ZMQLOOP_CHILD_EXPECT(is_ended_in([&] {
          loop.run_sync(
              [&] {
                if (nested) return ends_in_what_it_awaits(how(), held, at_once);
                return at_once ? ends_at_once(how(), held) : ends_after_a_sleep(how(), held);
              },
              1h);
        }));
        ZMQLOOP_CHILD_EXPECT(held.use_count() == 1);
        ZMQLOOP_CHILD_EXPECT(*held == 0);
        ZMQLOOP_CHILD_EXPECT(loop.run_sync([] { return 7; }) == 7);
        ZMQLOOP_CHILD_EXPECT(loop.close().timers_abandoned == 0);
        return 0;
      });
      EXPECT_TRUE(child.ok()) << child;
      EXPECT_EQ(child.error_output, "");
    }
  }
}

// ---- pending cancellations ---------------------------------------------------------------------

// A cancelled thread ends at its next cancellation point: a system call that may wait. No library
// function that must not throw may be one.
class ThreadsToBeCancelled : public OnBothPollers {
 protected:
  void SetUp() override {
    if (!kMayUnwind) GTEST_SKIP() << kWhyNoUnwinding;
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "a child's threads get ids of the parent's, or of cancelled ones, which "
                    "ThreadSanitizer still counts";
#endif
  }
  // Calls `f` with the loop that the cancelled thread runs, and with the loop of another thread.
  template <class F>
  static void expect_clean_cancellation(F f) {
    const ChildResult child = run_in_child([&] {
      LoopThread other("other");
      IOLoop loop(options());
      ZMQLOOP_CHILD_EXPECT(is_ended_in([&] {
        loop.add_callback([&] {
          pthread_cancel(pthread_self());
          f(loop, other.loop());
        });
        loop.start();
        pthread_testcancel();
      }));
      ZMQLOOP_CHILD_EXPECT(!loop.is_running());
      ZMQLOOP_CHILD_EXPECT(loop.run_sync([] { return 7; }) == 7);
      return 0;
    });
    EXPECT_TRUE(child.ok()) << child;
  }
  // Calls `post` until it has woken a sleeping loop three times.
  template <class F>
  static void wake(IOLoop& loop, F post) {
    const std::uint64_t enough = loop.stats().wakeups_sent + 3;
    while (loop.stats().wakeups_sent < enough) {
      post();
      std::this_thread::yield();
    }
  }
};
ZMQLOOP_ON_BOTH_POLLERS(ThreadsToBeCancelled);

TEST_P(ThreadsToBeCancelled, EndWhenTheirLoopWaits) {
  expect_clean_cancellation([](IOLoop&, IOLoop&) {});
}

TEST_P(ThreadsToBeCancelled, EndWhenTheyWaitForAFuture) {
  const ChildResult child = run_in_child([] {
    Promise<int> promise;
    const Future<int> future = promise.get_future();
    ZMQLOOP_CHILD_EXPECT(is_ended_in([&] {
      pthread_cancel(pthread_self());
      (void)future.get();
    }));
    ZMQLOOP_CHILD_EXPECT(is_ended_in([&] {
      pthread_cancel(pthread_self());
      (void)future.wait(1h);
    }));
    promise.set_value(7);
    ZMQLOOP_CHILD_EXPECT(future.get() == 7);
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
}

// Makes the first loop of a process, so that libzmq is started as well.
TEST_P(ThreadsToBeCancelled, MayMakeALoop) {
  const ChildResult child = run_in_child([] {
    bool made = false;
    ZMQLOOP_CHILD_EXPECT(is_ended_in([&] {
      pthread_cancel(pthread_self());
      const IOLoop loop(options());
      made = true;
      pthread_testcancel();
    }));
    ZMQLOOP_CHILD_EXPECT(made);
    return IOLoop(options()).run_sync([] { return 0; });
  });
  EXPECT_TRUE(child.ok()) << child;
}

TEST_P(ThreadsToBeCancelled, MayCloseALoop) {
  struct CancelsThisThread {
    ~CancelsThisThread() { pthread_cancel(pthread_self()); }
  };
  const ChildResult child = run_in_child([] {
    bool closed = false;
    ZMQLOOP_CHILD_EXPECT(is_ended_in([&] {
      {
        IOLoop loop(options());
        loop.add_callback([cancels = std::make_shared<CancelsThisThread>()] {});
      }
      closed = true;
      pthread_testcancel();
    }));
    ZMQLOOP_CHILD_EXPECT(closed);
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
}

TEST_P(ThreadsToBeCancelled, MayMakeAndDestroyALoopThread) {
  const ChildResult child = run_in_child([] {
    std::atomic<int> hooks{0};
    LoopThread::Options hooked;
    hooked.loop = options("hooked");
    hooked.on_thread_start = [&] { ++hooks; };
    ZMQLOOP_CHILD_EXPECT(is_ended_in([&] {
      pthread_cancel(pthread_self());
      const LoopThread thread(hooked);  // waits for the hook; its destructor runs by unwinding
      pthread_testcancel();
    }));
    ZMQLOOP_CHILD_EXPECT(hooks == 1);
    bool destroyed = false;
    ZMQLOOP_CHILD_EXPECT(is_ended_in([&] {
      {
        const LoopThread thread(hooked);
        pthread_cancel(pthread_self());
      }
      destroyed = true;
      pthread_testcancel();
    }));
    ZMQLOOP_CHILD_EXPECT(destroyed);
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
}

TEST_P(ThreadsToBeCancelled, MayCloseWhatIsRegistered) {
  const ChildResult child = run_in_child([] {
    bool closed = false;
    ZMQLOOP_CHILD_EXPECT(is_ended_in([&] {
      IOLoop loop(options());
      const int event = ::eventfd(0, EFD_CLOEXEC);
      loop.add_handler(event, [] {}, Events::kRead);
      pthread_cancel(pthread_self());
      loop.close(true);
      closed = ::fcntl(event, F_GETFD) == -1;
      pthread_testcancel();
    }));
    ZMQLOOP_CHILD_EXPECT(closed);
    return 0;
  });
  EXPECT_TRUE(child.ok()) << child;
}

TEST_P(ThreadsToBeCancelled, MayStopTheirLoop) {
  expect_clean_cancellation([](IOLoop& loop, IOLoop&) { loop.stop(); });
}

TEST_P(ThreadsToBeCancelled, MayFailInACallback) {
  expect_clean_cancellation(
      [](IOLoop&, IOLoop&) { throw std::runtime_error("thrown when cancelled"); });
}

TEST_P(ThreadsToBeCancelled, MayReturnATaskThatFails) {
  expect_clean_cancellation([](IOLoop& loop, IOLoop&) {
    loop.add_callback([]() -> Task<void> {
      throw std::runtime_error("thrown when cancelled");
      co_return;
    });
  });
}

TEST_P(ThreadsToBeCancelled, MayPostToALoopThatSleeps) {
  expect_clean_cancellation(
      [](IOLoop&, IOLoop& other) { wake(other, [&] { other.add_callback([] {}); }); });
}

TEST_P(ThreadsToBeCancelled, MayPostToALoopThatSleepsAsASignalHandlerDoes) {
  expect_clean_cancellation(
      [](IOLoop&, IOLoop& other) { wake(other, [&] { other.add_callback_from_signal([] {}); }); });
}

}  // namespace
}  // namespace zmqloop::testing
