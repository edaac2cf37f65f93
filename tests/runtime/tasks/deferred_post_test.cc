// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Posts that were prepared while there was memory, and are made when there is none: callbacks that
// wait for a future are called nevertheless.

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/counted_memory.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/process_facts.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_thread.h"
#include "zmqloop/runtime/tasks/task.h"

namespace zmqloop::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Calls `f` on a thread that has never posted and has no memory to do so.
template <class F>
void without_memory(F&& f) {
  std::thread([&] {
    allocations_left = 0;
    f();
    allocations_left = -1;
  }).join();
}

void no_memory_until_the_next_iteration_of(IOLoop& current) {
  current.add_callback([] { allocations_left = -1; });
  allocations_left = 0;
}

class DeferredPosts : public OnBothPollers {
 protected:
  // Returns a callback that records its name and is too large for a slot.
  template <class... A>
  auto noting(std::string name) {
    return [this, name = std::move(name), large = std::array<char, 100>()](const A&...) {
      ran_.push_back(name);
      return large.size();
    };
  }

  static IOLoop::Options options_without_slots() {
    IOLoop::Options without_slots = options("without slots");
    without_slots.signal_slots = 0;
    return without_slots;
  }

  std::vector<std::string> ran_;
};
ZMQLOOP_ON_BOTH_POLLERS(DeferredPosts);

TEST_P(DeferredPosts, Rel_D7_WithoutMemoryAreMadeInTheOrderOfAllPosts) {
  Promise<int> promise;
  const Future<int> future = promise.get_future();
  loop_.add_future(future, noting<Future<int>>("add_future"));
  const Future<std::size_t> result = future.then(loop_, noting<Future<int>>("then"));
  loop_.add_callback(noting("before"));
  without_memory([&] { promise.set_value(1); });
  loop_.add_callback(noting("after"));
  run_one_iteration();
  EXPECT_EQ(ran_, (std::vector<std::string>{"before", "add_future", "then", "after"}));
  EXPECT_EQ(result.get(), 100U);
  EXPECT_EQ(loop_.stats().signal_posts_accepted, 2U) << "in slots that need no memory";
}

TEST_P(DeferredPosts, Rel_D7_WithoutMemoryAreMadeByADestructorThatBreaksAPromise) {
  std::optional<Promise<int>> promise(std::in_place);
  loop_.add_future(promise->get_future(), noting<Future<int>>("told"));
  without_memory([&] { promise.reset(); });
  run_one_iteration();
  EXPECT_EQ(ran_, std::vector<std::string>{"told"});
}

TEST_P(DeferredPosts, WithoutMemoryEndARunSync) {
  Promise<int> promise;
  std::thread completing;
  const auto begin = [&] {
    completing = std::thread([&] {
      EXPECT_TRUE(eventually(&other_threads_sleep));
      without_memory([&] { promise.set_value(1); });
    });
    return promise.get_future();
  };
  EXPECT_EQ(loop_.run_sync(begin), 1);
  completing.join();
}

TEST_P(DeferredPosts, KeepTheNameOfTheirCallableInReportsWithMemoryAndWithout) {
  struct NamedCallable {
    void operator()(const Future<int>&) const { throw std::runtime_error("failed"); }
  };
  for (const bool with_memory : {true, false}) {
    IOLoop loop(options());
    Promise<int> promise;
    const auto set = [&] { promise.set_value(1); };
    loop.add_future(promise.get_future(), NamedCallable());
    with_memory ? set() : without_memory(set);
    loop.add_callback([&] { loop.stop(); });
    ::testing::internal::CaptureStderr();
    loop.start();
    EXPECT_THAT(::testing::internal::GetCapturedStderr(),
                AllOf(HasSubstr("failed"), HasSubstr("NamedCallable")));
  }
}

TEST_P(DeferredPosts, WithoutMemoryAreDestroyedByALoopThatCloses) {
  const std::int64_t before = bytes_in_use;
  {
    Promise<int> promise;
    const auto result = promise.get_future().then(loop_, noting<Future<int>>("never"));
    without_memory([&] { promise.set_value(1); });
    EXPECT_EQ(loop_.close().callbacks_abandoned, 1U);
    EXPECT_THROW(result.get(), LoopClosedError);
  }
  EXPECT_TRUE(ran_.empty());
  EXPECT_LE(bytes_in_use, before) << "nothing is left of it";
}

TEST_P(DeferredPosts, WithoutMemoryAreRefusedByALoopThatIsClosed) {
  Promise<int> promise;
  const auto result = promise.get_future().then(loop_, noting<Future<int>>("never"));
  loop_.close();
  without_memory([&] { promise.set_value(1); });
  EXPECT_TRUE(ran_.empty());
  EXPECT_TRUE(result.is_ready());
}

TEST_P(DeferredPosts, WithoutMemoryAndWithoutSlotsAreLostAndWhoCompletesTheFutureIsTold) {
  IOLoop loop(options_without_slots());
  Promise<int> promise;
  const Future<int> future = promise.get_future();
  bool told = false;
  loop.add_future(future, noting<Future<int>>("lost"));
  future.on_ready([&] { told = true; });
  without_memory([&] { EXPECT_THROW(promise.set_value(1), std::bad_alloc); });
  EXPECT_TRUE(told) << "those behind it are told all the same";
  EXPECT_EQ(future.get(), 1);
}

// ---- tasks ----

TEST_P(DeferredPosts, WithoutMemoryResumeATaskThatAwaitsAFuture) {
  Promise<int> promise;
  const Future<int> result =
      spawn(loop_, [future = promise.get_future()]() -> Task<int> { co_return co_await future; });
  run_one_iteration();
  without_memory([&] { promise.set_value(1); });
  EXPECT_FALSE(result.is_ready());
  run_one_iteration();
  EXPECT_EQ(result.get(), 1);
}

// The task moves away and back. Each move is a thread's first post to the other loop.
TEST_P(DeferredPosts, WithoutMemoryTakeATaskToAnotherLoopAndItsAwaiterBack) {
  LoopThread elsewhere({.loop = options("elsewhere")});
  const auto go_there = [&]() -> Task<bool> {
    co_await elsewhere.loop().schedule();
    const bool there = elsewhere.loop().in_loop_thread();
    no_memory_until_the_next_iteration_of(elsewhere.loop());
    co_return there;
  };
  const auto go_and_return = [&]() -> Task<bool> {
    Task<bool> going = go_there();
    no_memory_until_the_next_iteration_of(loop_);
    const bool was_there = co_await std::move(going);
    if (!loop_.in_loop_thread()) co_return false;
    co_return was_there;
  };
  EXPECT_TRUE(loop_.run_sync(go_and_return));
  EXPECT_EQ(elsewhere.loop().stats().signal_posts_accepted, 1U);
  EXPECT_EQ(loop_.stats().signal_posts_accepted, 1U);
}

TEST_P(DeferredPosts, WithoutMemoryAndWithoutSlotsLeaveATaskOnItsLoop) {
  LoopThread out_of_reach({.loop = options_without_slots()});
  const auto try_to_go = [&]() -> Task<bool> {
    bool failed = false;
    allocations_left = 0;
    try {
      co_await out_of_reach.loop().schedule();
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    allocations_left = -1;
    co_await out_of_reach.loop().submit([] {});  // resumes on its own loop
    if (!loop_.in_loop_thread()) co_return false;
    co_return failed;
  };
  EXPECT_TRUE(loop_.run_sync(try_to_go));
}

}  // namespace
}  // namespace zmqloop::testing
