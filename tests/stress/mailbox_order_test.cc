// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Tests the promised order [M1] under load: four threads pass a baton and post while they hold it.
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

// A thread posts two, then hands over: so the next ticket is sometimes in the same lane, sometimes
// in another.
TEST(MailboxOrderStress, HoldsOverTenMillionHandOvers) {
  constexpr std::uint64_t kThreads = 4;
  const std::uint64_t hand_overs = testing::light_stress_count(10'000'000);
  Mailbox mailbox(0);
  std::atomic<std::uint64_t> baton{0};
  std::uint64_t run = 0;
  std::uint64_t next = 0;
  std::uint64_t out_of_order = 0;
  const testing::HangOracle oracle([&mailbox] { return mailbox.taken(); },
                                   [&mailbox] { testing::dump_mailbox(mailbox); });
  std::vector<std::thread> posters;
  for (std::uint64_t self = 0; self < kThreads; ++self) {
    posters.emplace_back([&, self] {
      std::uint64_t mine = 2 * self;
      for (std::uint64_t turn = self; turn < hand_overs; turn += kThreads, mine += 2 * kThreads) {
        for (testing::Backoff backoff; baton.load() != turn;) backoff.step();
        for (const std::uint64_t number : {mine, mine + 1}) {
          static_cast<void>(mailbox.post([&, number] {
            out_of_order += number == next ? 0 : 1;
            next = number + 1;
          }));
        }
        baton.store(turn + 1);
      }
    });
  }
  for (testing::Backoff backoff; run < 2 * hand_overs;) {
    const std::uint64_t now = testing::run_batch(mailbox);
    run += now;
    if (now == 0) backoff.step();
  }
  for (std::thread& poster : posters) poster.join();
  EXPECT_EQ(out_of_order, 0u);
  EXPECT_EQ(next, 2 * hand_overs);
}

}  // namespace
}  // namespace zmqloop
