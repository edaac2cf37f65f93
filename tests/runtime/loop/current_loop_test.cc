// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// instance() and current(): the loop a thread gets if it names none.

#include <atomic>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/loop_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/runtime/loop/install.h"
#include "zmqloop/runtime/pool/loop_thread.h"

namespace zmqloop::testing {
namespace {

using ::testing::HasSubstr;

class CurrentLoopTest : public ::testing::Test {
 protected:
  CurrentLoopTest() {
    IOLoop::clear_instance();
    IOLoop::clear_current();
  }
  ~CurrentLoopTest() override {
    IOLoop::clear_instance();
    IOLoop::clear_current();
    IOLoop::configure(PollerKind::kEpoll);
  }
  const LoopWatchdog watchdog_;
};

// ---- instance ----

TEST_F(CurrentLoopTest, Rel_C8_MakesTheInstanceOnceUnderSixtyFourThreads) {
  for (int round = 0; round < 5; ++round) {
    EXPECT_FALSE(IOLoop::initialized());
    std::atomic<int> ready{0};
    std::vector<IOLoop*> seen(64);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < seen.size(); ++i) {
      threads.emplace_back([&, i] {
        ++ready;
        while (ready < 64) std::this_thread::yield();
        seen[i] = i % 2 == 0 ? &IOLoop::instance() : &IOLoop::current();
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(std::set<IOLoop*>(seen.begin(), seen.end()).size(), 1u);
    EXPECT_TRUE(IOLoop::initialized());
    EXPECT_FALSE(seen[0]->is_closed());
    IOLoop::clear_instance();
  }
}

TEST_F(CurrentLoopTest, FallsBackToTheInstanceWhenAThreadHasNone) {
  EXPECT_EQ(IOLoop::current_or_null(), nullptr);
  EXPECT_FALSE(IOLoop::initialized()) << "asking makes nothing";
  IOLoop& fallback = IOLoop::current();
  EXPECT_EQ(&fallback, &IOLoop::instance());
  EXPECT_EQ(IOLoop::current_or_null(), nullptr) << "the instance is not current by that";
}

TEST_F(CurrentLoopTest, LetsTheInstanceRunAndBeClearedAndMadeAgain) {
  IOLoop& first = IOLoop::instance();
  const auto alive = std::make_shared<int>();
  first.add_callback([alive] {});
  EXPECT_EQ(first.run_sync([] { return 1; }), 1);
  first.add_callback([alive] {});
  EXPECT_EQ(alive.use_count(), 2);
  IOLoop::clear_instance();
  EXPECT_EQ(alive.use_count(), 1) << "it was made on demand: closed and destroyed";
  EXPECT_FALSE(IOLoop::initialized());
  EXPECT_EQ(IOLoop::instance().run_sync([] { return 2; }), 2);
  IOLoop::clear_instance();
  IOLoop::clear_instance();
}

TEST_F(CurrentLoopTest, RefusesToClearARunningInstance) {
  IOLoop& instance = IOLoop::instance();
  instance.run_sync([&] {
    EXPECT_THAT(error_of<std::logic_error>([] { IOLoop::clear_instance(); }),
                HasSubstr("'" + instance.name() + "'"));
    EXPECT_EQ(&IOLoop::instance(), &instance);
  });
  EXPECT_TRUE(IOLoop::initialized());
}

TEST_F(CurrentLoopTest, InstallsALoopAsTheInstanceAndForgetsItWhenCleared) {
  IOLoop loop;
  loop.install();
  EXPECT_EQ(&IOLoop::instance(), &loop);
  EXPECT_EQ(&IOLoop::current(), &loop);
  loop.install();  // it is the instance already: nothing to do
  IOLoop other({.name = "other"});
  EXPECT_THAT(error_of<std::logic_error>([&] { other.install(); }),
              HasSubstr("'" + loop.name() + "'"));
  EXPECT_EQ(&IOLoop::instance(), &loop);
  IOLoop::clear_instance();
  EXPECT_FALSE(IOLoop::initialized());
  EXPECT_FALSE(loop.is_closed()) << "an installed loop is its owner's";
  other.install();
  EXPECT_EQ(&IOLoop::instance(), &other);
}

TEST_F(CurrentLoopTest, RefusesToInstallBesideAnInstanceMadeOnDemand) {
  IOLoop& made = IOLoop::instance();
  IOLoop loop;
  EXPECT_THROW(loop.install(), std::logic_error);
  EXPECT_EQ(&IOLoop::instance(), &made);
  made.install();
  IOLoop::clear_instance();
  EXPECT_FALSE(IOLoop::initialized());
}

TEST_F(CurrentLoopTest, LetsAnInstalledInstanceBeClearedWhileItRuns) {
  IOLoop loop;
  loop.install();
  loop.run_sync([] { IOLoop::clear_instance(); });
  EXPECT_FALSE(IOLoop::initialized());
}

TEST_F(CurrentLoopTest, ForgetsALoopThatIsDestroyed) {
  {
    IOLoop loop;
    loop.install();
    loop.make_current();
    EXPECT_EQ(IOLoop::current_or_null(), &loop);
  }
  EXPECT_FALSE(IOLoop::initialized());
  EXPECT_EQ(IOLoop::current_or_null(), nullptr);
}

TEST_F(CurrentLoopTest, ForgetsADestroyedLoopOnOtherThreadsToo) {
  auto loop = std::make_unique<IOLoop>();
  IOLoop another;
  LoopThread elsewhere;  // runs the steps of the other thread
  std::atomic<int> step{0};
  std::thread other([&] {
    loop->make_current();
    step = 1;
    while (step != 2) std::this_thread::yield();
    EXPECT_EQ(IOLoop::current_or_null(), nullptr);
    another.make_current();
    EXPECT_EQ(IOLoop::current_or_null(), &another);
  });
  while (step != 1) std::this_thread::yield();
  loop.reset();
  step = 2;
  other.join();
}

// ---- at exit ----

using CurrentLoopDeathTest = CurrentLoopTest;

TEST_F(CurrentLoopDeathTest, Rel_C8_KeepsTheInstanceUsableUntilTheProcessHasEnded) {
  EXPECT_EXIT(
      {
        IOLoop::instance().add_callback([] {});
        std::atexit([] {
          const bool works = IOLoop::instance().run_sync([] { return true; });
          if (!works || !IOLoop::instance().add_callback([] {})) std::_Exit(1);
        });
        std::exit(0);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST_F(CurrentLoopDeathTest, Rel_M7_LetsThreadsPostWhileTheProcessExits) {
  for (int round = 0; round < 10; ++round) {
    EXPECT_EXIT(
        {
          auto* const leaked = new LoopThread("leaked");
          for (int i = 0; i < 2; ++i) {
            std::thread([leaked] {
              for (;;) {
                if (leaked->loop().stats().pending < 1'000) leaked->loop().add_callback([] {});
                IOLoop::instance().add_callback_from_signal([] {});
              }
            }).detach();
          }
          leaked->loop().submit([] {}).get();
          std::exit(0);
        },
        ::testing::ExitedWithCode(0), "");
  }
}

// ---- current ----

TEST_F(CurrentLoopTest, IsEachThreadsOwn) {
  IOLoop mine;
  IOLoop theirs;
  mine.make_current();
  std::thread([&] {
    EXPECT_EQ(IOLoop::current_or_null(), nullptr);
    theirs.make_current();
    EXPECT_EQ(&IOLoop::current(), &theirs);
    IOLoop::clear_current();
    EXPECT_EQ(IOLoop::current_or_null(), nullptr);
    theirs.make_current();
  }).join();
  EXPECT_EQ(&IOLoop::current(), &mine);
  theirs.make_current();
  EXPECT_EQ(&IOLoop::current(), &theirs) << "the last one counts";
  IOLoop::clear_current();
  IOLoop::clear_current();
  EXPECT_EQ(IOLoop::current_or_null(), nullptr);
}

TEST_F(CurrentLoopTest, IsTheRunningLoopAndThenTheOneBeforeAgain) {
  IOLoop outer;
  IOLoop inner;
  outer.make_current();
  inner.run_sync([&] { EXPECT_EQ(&IOLoop::current(), &inner); });
  EXPECT_EQ(&IOLoop::current(), &outer);
  IOLoop::clear_current();
  inner.run_sync([&] { EXPECT_EQ(&IOLoop::current(), &inner); });
  EXPECT_EQ(IOLoop::current_or_null(), nullptr);
}

TEST_F(CurrentLoopTest, IsRestoredAfterAnExceptionEscapedAndAfterALatchedStop) {
  IOLoop outer;
  outer.make_current();
  RecordingLoop loop;
  loop.escape = true;
  loop.add_callback([] { throw 1; });
  EXPECT_THROW(loop.start(), int);
  EXPECT_EQ(&IOLoop::current(), &outer);
  loop.stop();
  loop.start();
  EXPECT_EQ(&IOLoop::current(), &outer);
}

TEST_F(CurrentLoopTest, IsTheRunningLoopWhateverACallbackMakesCurrent) {
  IOLoop loop;
  IOLoop other;
  loop.run_sync([&] {
    other.make_current();
    EXPECT_EQ(&IOLoop::current(), &loop);
    IOLoop::clear_current();
    EXPECT_EQ(&IOLoop::current(), &loop);
  });
}

TEST_F(CurrentLoopTest, OutlivesADestroyedLoopThatWasCurrentBeforeARun) {
  auto outer = std::make_unique<IOLoop>();
  outer->make_current();
  IOLoop loop;
  loop.run_sync([&] { outer.reset(); });
  EXPECT_EQ(IOLoop::current_or_null(), nullptr);
}

TEST_F(CurrentLoopTest, IsTheThreadsOwnLoopOnALoopThread) {
  LoopThread thread;
  EXPECT_EQ(thread.loop().submit([] { return &IOLoop::current(); }).get(), &thread.loop());
}

// ---- which poller ----

TEST_F(CurrentLoopTest, InstallsALoopThatWaitsWithZmqPoll) {
  install();
  EXPECT_TRUE(IOLoop::initialized());
  EXPECT_EQ(IOLoop::instance().poller_kind(), PollerKind::kZmqPoll);
  IOLoop& installed = IOLoop::instance();
  install();
  EXPECT_EQ(&IOLoop::instance(), &installed);
  IOLoop::clear_instance();
  EXPECT_FALSE(IOLoop::initialized());
}

TEST_F(CurrentLoopTest, DoesNotInstallOverAnInstanceOfAnotherKind) {
  IOLoop::configure(PollerKind::kEpoll);
  IOLoop& instance = IOLoop::instance();
  EXPECT_THAT(error_of<std::logic_error>([] { install(); }),
              HasSubstr("'" + instance.name() + "'"));
  EXPECT_EQ(&IOLoop::instance(), &instance);
}

TEST_F(CurrentLoopTest, ConfiguresThePollerOfLaterLoopsByKindOrName) {
  EXPECT_EQ(IOLoop::configured(), PollerKind::kEpoll) << "the default";
  IOLoop::configure(PollerKind::kZmqPoll);
  EXPECT_EQ(IOLoop::configured(), PollerKind::kZmqPoll);
  EXPECT_EQ(IOLoop().poller_kind(), PollerKind::kZmqPoll);
  EXPECT_EQ(IOLoop::instance().poller_kind(), PollerKind::kZmqPoll);
  IOLoop::configure("epoll");
  EXPECT_EQ(IOLoop().poller_kind(), PollerKind::kEpoll);
  IOLoop::configure("zmq_poll");
  EXPECT_EQ(IOLoop().poller_kind(), PollerKind::kZmqPoll);
}

TEST_F(CurrentLoopTest, RefusesAnUnknownPollerWithAListOfTheKnownOnes) {
  const std::string text = error_of<std::invalid_argument>([] { IOLoop::configure("kqueue"); });
  EXPECT_THAT(text, HasSubstr("kqueue"));
  EXPECT_THAT(text, HasSubstr("epoll"));
  EXPECT_THAT(text, HasSubstr("zmq_poll"));
  EXPECT_EQ(IOLoop::configured(), PollerKind::kEpoll);
}

}  // namespace
}  // namespace zmqloop::testing
