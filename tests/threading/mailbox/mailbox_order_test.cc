// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The order promise M1: if one post returned before another began, on any threads, it runs first.
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "tests/support/mailbox_consumer.h"
#include <gtest/gtest.h>

#include "zmqloop/threading/mailbox/mailbox.h"

namespace zmqloop {
namespace {

// Threads pass a baton, posting once each time they hold it; the consumer runs meanwhile.
void pass_the_baton(std::uint64_t posts, std::uint64_t threads) {
  Mailbox mailbox(0);
  std::atomic<std::uint64_t> baton{0};
  std::uint64_t next = 0;
  std::uint64_t out_of_order = 0;
  const testing::HangOracle oracle([&mailbox] { return mailbox.taken(); },
                                   [&mailbox] { testing::dump_mailbox(mailbox); });
  std::vector<std::thread> posters;
  for (std::uint64_t self = 0; self < threads; ++self) {
    posters.emplace_back([&, self] {
      for (std::uint64_t mine = self; mine < posts; mine += threads) {
        for (testing::Backoff backoff; baton.load() != mine;) backoff.step();
        static_cast<void>(mailbox.post([&, mine] { out_of_order += mine == next++ ? 0 : 1; }));
        baton.store(mine + 1);
      }
    });
  }
  testing::Backoff backoff;
  while (next < posts) {
    if (testing::run_batch(mailbox) == 0) backoff.step();
  }
  for (std::thread& poster : posters) poster.join();
  EXPECT_EQ(next, posts);
  EXPECT_EQ(out_of_order, 0u);
}

TEST(MailboxOrder, HoldsWhenAPostIsHandedOverToAnotherThread) { pass_the_baton(200'000, 2); }

TEST(MailboxOrder, HoldsWithMoreThreadsThanCores) { pass_the_baton(20'000, 7); }

// A thread posts a callable that starts something, then starts a thread that posts its use.
TEST(MailboxOrder, HoldsAcrossTheStartOfAThread) {
  Mailbox mailbox(0);
  std::atomic<bool> done{false};
  int started = -1;
  int wrong = 0;
  std::thread poster([&] {
    for (int i = 0; i < 2'000; ++i) {
      static_cast<void>(mailbox.post([&started, i] { started = i; }));
      std::thread([&, i] {
        static_cast<void>(mailbox.post([&, i] { wrong += started == i ? 0 : 1; }));
      }).join();
    }
    done.store(true);
  });
  while (!done.load()) testing::run_batch(mailbox);
  poster.join();
  testing::run_batch(mailbox);
  EXPECT_EQ(started, 1'999);
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace zmqloop
