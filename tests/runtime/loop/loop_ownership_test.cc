// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Calls that belong to a loop's thread, made on other threads at every moment of the loop's life.
// While the loop is open, the error names both threads; afterwards it says that the loop is closed.

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include "tests/support/held_threads.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/loop_owner.h"
#include "tests/support/owned_calls.h"
#include "tests/support/stress_counts.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/threading/host/thread_label.h"

namespace zmqloop::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class OwnedLoop : public OnAllOwners {
 protected:
  // Expects that every call is refused on another thread, because this thread owns the loop.
  static void expect_this_threads(const OwnedCalls& calls) {
    const std::string owner = current_thread_label();
    const std::string name = IOLoop::current().name();
    std::thread([&] { expect_refused_elsewhere(calls, name, owner); }).join();
  }
};
ZMQLOOP_ON_ALL_OWNERS(OwnedLoop);

TEST_P(OwnedLoop, BelongsToItsThreadBeforeThatHasBegun) {
  if (!kCanHoldThreads) GTEST_SKIP() << "the sanitizer's threads begin at once";
  { const IOLoop warm; }  // starts libzmq's threads
  HeldThreads held;
  LoopOwner owner(kind(), options());
  const OwnedCalls calls(owner.loop());
  const std::string name = owner.loop().name();
  expect_refused_elsewhere(calls, name,
                           "a thread of its own (" + name + ") that has yet to begin");
  held.let_begin();
  EXPECT_EQ(owner.stop_and_join(), CloseReport());
  EXPECT_EQ(calls.called(), 0);
}

TEST_P(OwnedLoop, BelongsToItsThreadWhileThatStartsAndBetweenItsRuns) {
  std::optional<OwnedCalls> calls;
  LoopOwner owner(kind(), options(), {.start = [&] {
                    calls.emplace(IOLoop::current());
                    expect_this_threads(*calls);
                    calls->prepare();
                    expect_this_threads(*calls);
                    EXPECT_EQ(IOLoop::current().run_sync([] { return 1; }), 1);
                    expect_this_threads(*calls);
                  }});
  EXPECT_EQ(owner.stop_and_join(), (CloseReport{0, OwnedCalls::kTimers, OwnedCalls::kHandlers}))
      << "nothing was added and nothing removed";
  EXPECT_EQ(calls->called(), 0);
}

TEST_P(OwnedLoop, BelongsToItsThreadWhileItRunsAndWhileItSleeps) {
  LoopOwner owner(kind(), options());
  OwnedCalls calls(owner.loop());
  std::string label;
  owner.loop()
      .submit([&] {
        label = current_thread_label();
        calls.prepare();
        expect_this_threads(calls);
      })
      .get();
  expect_refused_elsewhere(calls, owner.loop().name(), label);
  EXPECT_TRUE(owner.loop().submit([&] { return owner.loop().remove_signal_handler(SIGUSR2); }).get())
      << "nothing was removed";
  EXPECT_EQ(owner.stop_and_join(), (CloseReport{0, OwnedCalls::kTimers, OwnedCalls::kHandlers}));
  EXPECT_EQ(calls.called(), 0);
}

TEST_P(OwnedLoop, IsNotStartedByAnotherLoopsThreadEither) {
  LoopOwner owner(kind(), options());
  LoopThread other("other");
  EXPECT_THAT(other.loop()
                  .submit([&] {
                    return error_of<std::logic_error>([&] { owner.loop().start(); }) + "|" +
                           current_thread_label();
                  })
                  .get(),
              AllOf(HasSubstr("IOLoop::start: loop '" + owner.loop().name() + "' belongs to"),
                    HasSubstr("called on"), HasSubstr("stop() and join()")));
}

TEST_P(OwnedLoop, IsClosedToAllThreadsWhileItsOwnCloses) {
  LoopOwner owner(kind(), options());
  OwnedCalls calls(owner.loop());
  const std::string name = owner.loop().name();
  int ends = 0;
  owner.loop().add_callback([&] {
    calls.prepare();
    owner.stop();
    owner.loop().add_callback([end = std::make_shared<AtDestruction>([&] {
                                 ++ends;
                                 std::thread([&] { expect_closed(calls, name); }).join();
                                 expect_closed(calls, name);
                               })] {});
  });
  EXPECT_EQ(owner.join().callbacks_abandoned, 1u);
  EXPECT_EQ(ends, 1);
  EXPECT_EQ(calls.called(), 0);
}

TEST_P(OwnedLoop, IsClosedToAllThreadsAtTheEndOfItsOwnAndEverAfter) {
  std::optional<OwnedCalls> calls;
  std::string name;
  int ends = 0;
  LoopOwner owner(kind(), options(), {.start =
                                          [&] {
                                            name = IOLoop::current().name();
                                            calls.emplace(IOLoop::current());
                                            calls->prepare();
                                          },
                                      .end =
                                          [&] {
                                            ++ends;
                                            expect_closed(*calls, name);
                                            std::thread([&] {
                                              expect_closed(*calls, name);
                                            }).join();
                                          }});
  EXPECT_EQ(owner.stop_and_join(), (CloseReport{0, OwnedCalls::kTimers, OwnedCalls::kHandlers}));
  EXPECT_EQ(ends, 1);
  expect_closed(*calls, name);
  std::thread([&] { expect_closed(*calls, name); }).join();
  EXPECT_EQ(calls->called(), 0);
}

// From the return of the constructor on, at any moment of the thread's life.
// Failures: C9
TEST_P(OwnedLoop, AcceptsNoCallOfAnotherThreadInAllItsLife) {
  const std::uint64_t rounds = stress_count(100) + 5;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    LoopOwner owner(kind(), options());
    const auto alive = std::make_shared<int>();
    std::atomic<std::uint64_t> refused{0};
    std::thread stopper([&] {
      while (refused < round % 50) std::this_thread::yield();
      owner.stop();
    });
    for (bool closed = false; !closed;) {
      try {
        owner.loop().call_later(24h, [alive] {});
        FAIL() << "accepted in round " << round << " after " << refused << " were refused";
      } catch (const LoopClosedError&) {
        closed = true;
      } catch (const std::logic_error&) {
        ++refused;
      }
    }
    stopper.join();
    ASSERT_EQ(owner.join(), CloseReport());
    ASSERT_EQ(alive.use_count(), 1);
    ASSERT_THROW(owner.loop().call_later(24h, [] {}), LoopClosedError);
  }
}

TEST_P(OwnedLoop, LetsItsOwnThreadMakeEveryCallBeforeItRuns) {
  std::optional<OwnedCalls> calls;
  LoopOwner owner(kind(), options(), {.start = [&] {
                    IOLoop& loop = IOLoop::current();
                    calls.emplace(loop);
                    calls->prepare();
                    for (const OwnedCalls::Call& call : calls->all()) {
                      if (call.operation == "IOLoop::start") loop.stop();
                      if (call.operation == "IOLoop::close") continue;
                      try {
                        call.make();
                      } catch (const std::invalid_argument&) {
                        // The argument is not registered, so the loop accepted the call.
                      } catch (const std::exception& error) {
                        ADD_FAILURE() << call.operation << ": " << error.what();
                      }
                    }
                  }});
  owner.stop_and_join();
}

// ---- a loop of the user's own ----

class UsersLoop : public OnBothPollers {};
ZMQLOOP_ON_BOTH_POLLERS(UsersLoop);

TEST_P(UsersLoop, IsSetUpByOneThreadAfterAnotherAndRunsOnAThird) {
  OwnedCalls calls(loop_);
  std::thread([&] { calls.prepare(); }).join();
  std::thread([&] {
    for (const OwnedCalls::Call& call : calls.all()) {
      if (call.operation == "IOLoop::start" || call.operation == "IOLoop::close") continue;
      std::thread([&] {
        try {
          call.make();
        } catch (const std::invalid_argument&) {  // nothing registered
        } catch (const std::exception& error) {
          ADD_FAILURE() << call.operation << ": " << error.what();
        }
      }).join();
    }
  }).join();
  std::thread([&] { run_one_iteration(); }).join();
}

TEST_P(UsersLoop, BelongsToTheThreadThatRunsIt) {
  OwnedCalls calls(loop_);
  calls.prepare();
  const std::string runner = current_thread_label();
  loop_.add_callback([&] {
    std::thread([&] {
      for (const OwnedCalls::Call& call : calls.all()) {
        const std::string text = error_of<std::logic_error>(call.make);
        EXPECT_THAT(text, ::testing::AllOf(::testing::HasSubstr(call.operation),
                                           ::testing::HasSubstr("'tested' runs on " + runner),
                                           ::testing::HasSubstr(current_thread_label())));
      }
    }).join();
    loop_.stop();
  });
  loop_.start();
  EXPECT_EQ(loop_.close(), (CloseReport{0, OwnedCalls::kTimers, OwnedCalls::kHandlers}));
}

TEST_P(UsersLoop, IsClosedToAllThreadsWhileOneClosesItAndEverAfter) {
  OwnedCalls calls(loop_);
  calls.prepare();
  loop_.add_callback([end = std::make_shared<AtDestruction>([&] {
                        std::thread([&] { expect_closed(calls, "tested"); }).join();
                        expect_closed(calls, "tested");
                      })] {});
  EXPECT_EQ(loop_.close().callbacks_abandoned, 1u);
  expect_closed(calls, "tested");
  std::thread([&] { expect_closed(calls, "tested"); }).join();
  EXPECT_EQ(calls.called(), 0);
}

}  // namespace
}  // namespace zmqloop::testing
