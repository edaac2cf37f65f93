// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Tests the sleep protocol: a lost wake-up leaves the consumer asleep, and the hang oracle reports
// it.
#include <atomic>
#include <cstdint>
#include <thread>

#include "tests/support/mailbox_consumer.h"
#include "tests/support/stress_counts.h"
#include <gtest/gtest.h>

#include "zmqloop/threading/host/cpu_hints.h"
#include "zmqloop/threading/mailbox/mailbox.h"

namespace zmqloop {
namespace {

// One poster waits for the consumer to sleep, so that every sleep ends. The other posts at
// unrelated times, to hit the steps of falling asleep too.
TEST(MailboxSleepStress, Rel_A1_LosesNoWakeUpInAMillionSleeps) {
  const std::uint64_t sleeps = testing::light_stress_count(1'000'000);
  Mailbox mailbox(0);
  testing::Doorbell doorbell;
  std::atomic<std::uint64_t> slept{0};
  std::atomic<std::uint64_t> rung{0};
  std::atomic<bool> done{false};
  std::uint64_t run = 0;
  const testing::HangOracle oracle([&slept] { return slept.load(); },
                                   [&] {
                                     testing::dump_mailbox(mailbox);
                                     std::fprintf(stderr, "doorbell rung: %d\n",
                                                  doorbell.has_rung());
                                   });
  const auto post = [&] {
    const PostResult result = mailbox.post([&run] { ++run; });
    ASSERT_NE(result, PostResult::kRefused);
    if (result != PostResult::kMustWake) return;
    rung.fetch_add(1);
    doorbell.ring();
    mailbox.woken();
  };
  std::atomic<std::uint64_t> posted{0};
  std::thread waits_for_sleep([&] {
    for (testing::Backoff backoff; !done.load();) {
      if (!mailbox.look().asleep()) {
        backoff.step();
        continue;
      }
      post();
      posted.fetch_add(1);
    }
  });
  std::thread posts_at_any_time([&] {
    for (std::uint64_t i = 0; !done.load(); ++i) {
      post();
      posted.fetch_add(1);
      for (std::uint64_t spin = 0; spin < i * 7 % 997; ++spin) cpu_relax();
      if (i % 16 == 0) sched_yield();
    }
  });
  while (slept.load() < sleeps) {
    testing::run_batch(mailbox);
    if (!mailbox.try_fall_asleep()) continue;
    doorbell.wait();
    slept.fetch_add(1);
  }
  done.store(true);
  waits_for_sleep.join();
  posts_at_any_time.join();
  while (!mailbox.all_taken()) testing::run_batch(mailbox);
  EXPECT_EQ(run, posted.load());
  EXPECT_EQ(rung.load(), slept.load()) << "one ring per sleep [W4]";
}

}  // namespace
}  // namespace zmqloop
