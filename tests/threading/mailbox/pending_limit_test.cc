// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/mailbox/pending_limit.h"

#include <cstdint>
#include <limits>

#include "tests/support/mailbox_consumer.h"
#include <gtest/gtest.h>

#include "zmqloop/threading/mailbox/mailbox.h"

namespace zmqloop {
namespace {

constexpr std::uint64_t kLargest = std::numeric_limits<std::uint64_t>::max();

void post(Mailbox& mailbox, int count) {
  for (int i = 0; i < count; ++i) static_cast<void>(mailbox.post([] {}));
}

TEST(PendingLimit, IsReachedByAsManyPostsAsItSaysAndNotBefore) {
  for (const int most : {1, 2, 100}) {
    Mailbox mailbox(0);
    PendingLimit limit(static_cast<std::uint64_t>(most));
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < most; ++i) {
        EXPECT_FALSE(limit.is_reached(mailbox)) << i << " of " << most;
        post(mailbox, 1);
      }
      EXPECT_TRUE(limit.is_reached(mailbox));
      testing::run_batch(mailbox);
    }
  }
}

// Failures: K10
TEST(PendingLimit, OfZeroOrTheLargestNumbersIsNone) {
  for (const std::uint64_t most :
       {std::uint64_t{0}, kLargest, kLargest - 1, kLargest - 2, kLargest - 100, kLargest / 2 + 2,
        kLargest / 2 + 1, kLargest / 2, kLargest / 2 - 1, kLargest / 4}) {
    Mailbox mailbox(0);
    PendingLimit limit(most);
    for (int round = 0; round < 5; ++round) {
      EXPECT_FALSE(limit.is_reached(mailbox)) << most << " after " << mailbox.taken() << " posts";
      post(mailbox, 1'000);
      EXPECT_FALSE(limit.is_reached(mailbox)) << most << " with " << mailbox.pending() << " posts";
      if (round % 2 == 1) testing::run_batch(mailbox);
    }
  }
}

TEST(PendingLimit, IsNotReachedByAClosedMailbox) {
  for (const std::uint64_t most : {std::uint64_t{1}, kLargest, kLargest / 2}) {
    Mailbox mailbox(0);
    PendingLimit limit(most);
    post(mailbox, 10);
    mailbox.close();
    EXPECT_FALSE(limit.is_reached(mailbox)) << most;
  }
}

}  // namespace
}  // namespace zmqloop
