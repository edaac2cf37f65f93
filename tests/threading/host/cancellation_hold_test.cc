// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A cancellation waits until a hold ends.

#include "zmqloop/threading/host/cancellation_hold.h"

#include <optional>
#include <pthread.h>

#include "tests/support/forced_unwinding.h"
#include <gtest/gtest.h>

namespace zmqloop {
namespace {

// A thread that is cancelled as it begins; records its steps.
class CancelledThread {
 public:
  // Runs the steps on a thread, until a cancellation ends it.
  template <class F>
  explicit CancelledThread(F steps) {
    struct Body {
      CancelledThread* self;
      F* steps;
    } body{this, &steps};
    pthread_t thread;
    EXPECT_EQ(::pthread_create(
                  &thread, nullptr,
                  [](void* given) -> void* {
                    ::pthread_cancel(::pthread_self());
                    (*static_cast<Body*>(given)->steps)(*static_cast<Body*>(given)->self);
                    return nullptr;
                  },
                  &body),
              0);
    EXPECT_EQ(::pthread_join(thread, &result_), 0);
  }

  void come_to(int step) { step_ = step; }
  int step() const { return step_; }
  bool was_cancelled() const { return result_ == PTHREAD_CANCELED; }

 private:
  int step_ = 0;
  void* result_ = nullptr;
};

TEST(CancellationHold, HasACancellationWaitUntilItEnds) {
  if (!testing::kMayUnwind) GTEST_SKIP() << testing::kWhyNoUnwinding;
  const CancelledThread thread([](CancelledThread& self) {
    {
      const CancellationHold hold;
      ::pthread_testcancel();
      self.come_to(1);
    }
    self.come_to(2);  // a hold's end is no cancellation point
    ::pthread_testcancel();
    self.come_to(3);
  });
  EXPECT_EQ(thread.step(), 2);
  EXPECT_TRUE(thread.was_cancelled());
}

TEST(CancellationHold, LeavesAnOuterHoldInForce) {
  if (!testing::kMayUnwind) GTEST_SKIP() << testing::kWhyNoUnwinding;
  const CancelledThread thread([](CancelledThread& self) {
    std::optional<CancellationHold> outer(std::in_place);
    { const CancellationHold inner; }
    ::pthread_testcancel();
    self.come_to(1);
    outer.reset();
    ::pthread_testcancel();
    self.come_to(2);
  });
  EXPECT_EQ(thread.step(), 1);
  EXPECT_TRUE(thread.was_cancelled());
}

TEST(CancellationHold, IsNothingToAThreadThatNobodyCancels) {
  const CancellationHold hold;
  ::pthread_testcancel();
}

}  // namespace
}  // namespace zmqloop
