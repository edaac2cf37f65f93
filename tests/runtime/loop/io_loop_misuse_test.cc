// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Wrong threads, nested and second starts, and loops destroyed while they run: each gives a clear
// error and changes nothing.

#include <atomic>
#include <fcntl.h>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "tests/support/loop_fixture.h"
#include "tests/support/zmq_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/threading/host/thread_label.h"

namespace zmqloop::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class IOLoopMisuse : public OnBothPollers {
 protected:
  // Runs `f` on another thread while the loop runs on this one, then stops the loop.
  template <class F>
  void while_running_elsewhere(F&& f) {
    std::thread other;
    loop_.add_callback([&] {
      other = std::thread([&] {
        f();
        loop_.stop();
      });
    });
    loop_.start();
    other.join();
  }
};
ZMQLOOP_ON_BOTH_POLLERS(IOLoopMisuse);

TEST_P(IOLoopMisuse, Rel_G5_J7_OfTimersAndHandlersOffTheLoopThreadNamesBothThreads) {
  const std::string here = current_thread_label();
  const OwnedFd event = make_event();
  const OwnedFd other = make_event();
  const TimeoutHandle timer = loop_.add_timeout(1h, [] {});
  loop_.add_handler(
      event.get(), [] {}, Events::kRead);
  while_running_elsewhere([&] {
    const auto expect_both = [&](const char* operation, auto&& f) {
      EXPECT_THAT(error_of<std::logic_error>(f),
                  AllOf(HasSubstr(operation), HasSubstr("'tested'"), HasSubstr(here),
                        HasSubstr(current_thread_label())));
    };
    EXPECT_NE(here, current_thread_label());
    expect_both("IOLoop::add_timeout", [&] { loop_.add_timeout(1s, [] {}); });
    expect_both("IOLoop::call_later", [&] { loop_.call_later(1s, [] {}); });
    expect_both("IOLoop::call_at", [&] { loop_.call_at(TimePoint(), [] {}); });
    expect_both("IOLoop::remove_timeout", [&] { loop_.remove_timeout(timer); });
    expect_both("IOLoop::add_handler", [&] {
      loop_.add_handler(
          other.get(), [] {}, Events::kRead);
    });
    expect_both("IOLoop::update_handler",
                [&] { loop_.update_handler(event.get(), Events::kWrite); });
    expect_both("IOLoop::remove_handler", [&] { loop_.remove_handler(event.get()); });
    expect_both("IOLoop::touch", [&] { loop_.touch(event.get()); });
    loop_.remove_timeout(TimeoutHandle());  // refers to nothing
  });
  EXPECT_EQ(loop_.close(), (CloseReport{0, 1, 1})) << "the loop is as it was";
}

TEST_P(IOLoopMisuse, Rel_M10_AllowsSettingUpOnOneThreadAndRunningOnOthers) {
  std::string log;
  std::thread([&] {
    loop_.add_timeout(loop_.time(), [&] { log += 't'; });
    loop_.add_callback([&] { log += 'a'; });
  }).join();
  std::thread([&] { run_one_iteration(); }).join();
  loop_.add_callback([&] { log += 'b'; });
  std::thread([&] { run_one_iteration(); }).join();
  run_one_iteration();
  EXPECT_EQ(log, "atb");
}

TEST_P(IOLoopMisuse, KnowsOnWhichThreadItRuns) {
  EXPECT_FALSE(loop_.in_loop_thread());
  bool inside = false;
  loop_.add_callback([&] { inside = loop_.in_loop_thread(); });
  while_running_elsewhere([&] {
    EXPECT_TRUE(loop_.is_running());
    EXPECT_FALSE(loop_.in_loop_thread());
  });
  EXPECT_TRUE(inside);
  EXPECT_FALSE(loop_.in_loop_thread());
  EXPECT_FALSE(loop_.is_running());
}

TEST_P(IOLoopMisuse, Rel_C3_RefusesToStartTwiceOnTheSameThread) {
  std::string text;
  loop_.add_callback([&] {
    text = error_of<std::logic_error>([&] { loop_.start(); });
    EXPECT_TRUE(loop_.is_running());
    EXPECT_TRUE(loop_.in_loop_thread());
    EXPECT_EQ(&IOLoop::current(), &loop_);
    loop_.add_callback([&] { loop_.stop(); });
  });
  loop_.start();
  EXPECT_THAT(text, AllOf(HasSubstr("IOLoop::start"), HasSubstr("'tested'"),
                          HasSubstr(current_thread_label())));
  EXPECT_FALSE(loop_.is_running());
  run_one_iteration();
}

TEST_P(IOLoopMisuse, Rel_C4_RefusesToStartOneLoopInsideAnother) {
  IOLoop inner(options("inner"));
  bool ran = false;
  inner.add_callback([&] { ran = true; });
  std::string text;
  std::string sync_text;
  loop_.add_callback([&] {
    text = error_of<std::logic_error>([&] { inner.start(); });
    sync_text = error_of<std::logic_error>([&] { inner.run_sync([&] { ran = true; }); });
    EXPECT_EQ(&IOLoop::current(), &loop_);
    loop_.stop();
  });
  loop_.start();
  EXPECT_THAT(text, AllOf(HasSubstr("IOLoop::start"), HasSubstr("'tested'")));
  EXPECT_THAT(sync_text, AllOf(HasSubstr("IOLoop::run_sync"), HasSubstr("'tested'")));
  EXPECT_FALSE(ran);
  EXPECT_EQ(inner.stats().pending, 1u);
  inner.add_callback([&] { inner.stop(); });
  inner.start();
  EXPECT_TRUE(ran);
}

TEST_P(IOLoopMisuse, RefusesToStartOnASecondThread) {
  const std::string here = current_thread_label();
  while_running_elsewhere([&] {
    EXPECT_THAT(error_of<std::logic_error>([&] { loop_.start(); }),
                AllOf(HasSubstr("'tested'"), HasSubstr(here), HasSubstr(current_thread_label())));
    EXPECT_EQ(IOLoop::current_or_null(), nullptr);
    EXPECT_THROW(loop_.run_sync([] { ADD_FAILURE() << "ran"; }), std::logic_error);
  });
  run_one_iteration();
}

TEST_P(IOLoopMisuse, LetsOneOfManyConcurrentStartsWin) {
  for (int round = 0; round < 100; ++round) {
    std::atomic<int> refused{0};
    std::atomic<int> unnamed{0};
    std::vector<std::thread> starters;
    for (int i = 0; i < 4; ++i) {
      starters.emplace_back([&] {
        try {
          loop_.start();
        } catch (const std::logic_error& error) {
          const std::string text = error.what();
          if (text.find("runs on thread ") == std::string::npos) ++unnamed;
          if (++refused == 3) loop_.stop();
        }
      });
    }
    for (std::thread& starter : starters) starter.join();
    EXPECT_EQ(refused, 3);
    EXPECT_EQ(unnamed, 0) << "each error names the thread on which the loop runs";
  }
}

TEST_P(IOLoopMisuse, NamesTheThreadThatHasTheLoopNowAndNotOneBefore) {
  for (int round = 0; round < 300; ++round) {
    std::string runner;
    std::thread starter([&] {
      runner = current_thread_label();
      loop_.start();
    });
    while (!loop_.is_running()) std::this_thread::yield();
    const std::string message =
        error_of<std::logic_error>([&] { loop_.add_timeout(Duration::max(), [] {}); });
    EXPECT_NE(message.find(runner), std::string::npos) << message;
    loop_.stop();
    starter.join();
  }
}

// ---- destroying ----

using IOLoopMisuseDeathTest = IOLoopMisuse;
ZMQLOOP_ON_BOTH_POLLERS(IOLoopMisuseDeathTest);

TEST_P(IOLoopMisuseDeathTest, Rel_C2_DestroyingARunningLoopTerminatesWithItsName) {
  EXPECT_DEATH(
      {
        auto doomed = std::make_unique<IOLoop>(options("doomed"));
        doomed->add_callback([&] { doomed.reset(); });
        doomed->start();
      },
      "IOLoop 'doomed' destroyed while it runs on thread [0-9]+");
}

TEST_P(IOLoopMisuseDeathTest, DestroyingALoopThatRunsElsewhereTerminatesWithItsName) {
  EXPECT_DEATH(
      {
        auto doomed = std::make_unique<IOLoop>(options("doomed"));
        std::thread runner([&] { doomed->start(); });
        while (!doomed->is_running()) std::this_thread::yield();
        doomed.reset();
      },
      "IOLoop 'doomed' destroyed while it runs on thread [0-9]+");
}

TEST_P(IOLoopMisuse, LetsALoopBeDestroyedOnAThreadThatNeverRanIt) {
  auto loop = std::make_unique<IOLoop>(options());
  loop->add_callback([&] { loop->stop(); });
  loop->start();
  std::thread([&] { loop.reset(); }).join();
}

// ---- the name of the call that was made ----

TEST_P(IOLoopMisuse, OfDescriptorsAndSocketsNamesTheCallOfTheLoopThatWasMade) {
  const auto nothing = [] {};
  const OwnedFd event = make_event();
  EXPECT_THAT(error_of<std::system_error>([&] {
                const OwnedFd directory(::open("/", O_RDONLY | O_CLOEXEC));
                loop_.add_handler(directory.get(), nothing, Events::kRead);
              }),
              StartsWith("IOLoop::add_handler: "));
  EXPECT_THAT(error_of<std::invalid_argument>(
                  [&] { loop_.add_handler(-1, nothing, Events::kRead); }),
              StartsWith("IOLoop::add_handler: "));
  loop_.add_handler(event.get(), nothing, Events::kRead);
  EXPECT_THAT(error_of<std::invalid_argument>(
                  [&] { loop_.add_handler(event.get(), nothing, Events::kRead); }),
              StartsWith("IOLoop::add_handler: "));
  EXPECT_THAT(error_of<std::invalid_argument>(
                  [&] { loop_.update_handler(event.get(), static_cast<Events>(0x40)); }),
              StartsWith("IOLoop::update_handler: "));
  EXPECT_THAT(error_of<std::invalid_argument>([&] { loop_.touch(4'711); }),
              StartsWith("IOLoop::touch: "));
}

TEST_P(IOLoopMisuse, OfTimersNamesTheCallThatWasMade) {
  const auto null = static_cast<void (*)()>(nullptr);
  EXPECT_THAT(error_of<std::invalid_argument>([&] { loop_.call_later(1s, null); }),
              StartsWith("IOLoop::call_later: "));
  EXPECT_THAT(error_of<std::invalid_argument>([&] { loop_.call_at(TimePoint(), null); }),
              StartsWith("IOLoop::call_at: "));
  loop_.close();
  EXPECT_THAT(error_of<LoopClosedError>([&] { loop_.call_later(1s, [] {}); }),
              StartsWith("IOLoop::call_later: "));
  EXPECT_THAT(error_of<LoopClosedError>([&] { loop_.add_timeout(1s, [] {}); }),
              StartsWith("IOLoop::add_timeout: "));
}

}  // namespace
}  // namespace zmqloop::testing
