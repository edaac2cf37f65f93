// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Tests threads that post once and end: none of their posts is lost, and they leave no memory
// behind.
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "tests/support/mailbox_consumer.h"
#include "tests/support/stress_counts.h"
#include <gtest/gtest.h>

#include "zmqloop/threading/mailbox/mailbox.h"

namespace zmqloop {
namespace {

// Gives access to the number of lanes.
class CountedMailbox : public Mailbox {
 public:
  CountedMailbox() : Mailbox(0) {}
  std::size_t lanes() const { return lanes_->size(); }
};

TEST(MailboxThreads, Rel_M1_MayEndByTheHundredThousandRightAfterTheirPost) {
  constexpr std::size_t kAtOneTime = 8;
  const std::uint64_t threads = testing::light_stress_count(100'000);
  CountedMailbox mailbox;
  const testing::HangOracle oracle([&mailbox] { return mailbox.taken(); },
                                   [&mailbox] { testing::dump_mailbox(mailbox); });
  std::uint64_t sum = 0;
  std::atomic<bool> done{false};
  std::thread starter([&] {
    std::vector<std::thread> alive(kAtOneTime);
    for (std::uint64_t i = 0; i < threads; ++i) {
      std::thread& thread = alive[i % kAtOneTime];
      if (thread.joinable()) thread.join();
      thread = std::thread(
          [&mailbox, &sum, i] { static_cast<void>(mailbox.post([&sum, i] { sum += i; })); });
    }
    for (std::thread& thread : alive) {
      if (thread.joinable()) thread.join();
    }
    done.store(true);
  });
  for (testing::Backoff backoff; !done.load();) {
    if (testing::run_batch(mailbox) == 0) backoff.step();
  }
  starter.join();
  testing::run_batch(mailbox);
  EXPECT_EQ(mailbox.taken(), threads);
  EXPECT_EQ(sum, threads * (threads - 1) / 2);
  EXPECT_LE(mailbox.lanes(), kAtOneTime + 1);
}

}  // namespace
}  // namespace zmqloop
