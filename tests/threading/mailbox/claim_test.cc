// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A claim: often taken, rarely asked for, and never overlooked by both sides at once.

#include "zmqloop/threading/mailbox/claim.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <sys/syscall.h>
#include <thread>

#include "tests/support/child_process.h"
#include "tests/support/refused_system_call.h"
#include "tests/support/stress_counts.h"
#include <gtest/gtest.h>

namespace zmqloop {
namespace {

using testing::run_in_child;

const int me = 0;

TEST(Claim, IsHeldFromTakeToDrop) {
  Claim claim;
  EXPECT_EQ(claim.holder(), nullptr);
  EXPECT_FALSE(claim.is_held_by(&me));
  claim.take(&me);
  EXPECT_EQ(claim.holder(), &me);
  EXPECT_TRUE(claim.is_held_by(&me));
  claim.drop();
  EXPECT_EQ(claim.holder(), nullptr);
}

// One thread takes the claim and reads a word. Another thread changes the word and asks for the
// holder. Returns how often neither saw the other.
std::uint64_t times_unseen(std::uint64_t rounds) {
  struct alignas(64) Round {
    std::atomic<std::uint64_t> begun{0};
  };
  std::array<Round, 2> threads;
  const auto meet = [&](std::size_t thread, std::uint64_t round) {
    threads[thread].begun = round;
    while (threads[1 - thread].begun < round) {
    }
  };
  Claim claim;
  std::atomic<bool> closed{false};
  std::atomic<bool> saw_closed{false};
  std::uint64_t unseen = 0;
  std::thread taker([&] {
    for (std::uint64_t round = 1; round <= 2 * rounds; round += 2) {
      meet(0, round);
      claim.take(&me);
      saw_closed = closed.load();
      meet(0, round + 1);
      claim.drop();
    }
  });
  for (std::uint64_t round = 1; round <= 2 * rounds; round += 2) {
    closed = false;
    meet(1, round);
    closed = true;
    const bool saw_taker = claim.holder() == &me;
    meet(1, round + 1);
    if (!saw_taker && !saw_closed) ++unseen;
  }
  taker.join();
  return unseen;
}

TEST(Claim, IsSeenByAThreadThatItDoesNotSee) {
  EXPECT_EQ(times_unseen(testing::light_stress_count(30'000)), 0u);
}

TEST(Claim, IsSeenInAForkedChildToo) {
  const auto child = run_in_child([] { return times_unseen(1'000) == 0 ? 0 : 1; });
  EXPECT_TRUE(child.ok()) << child;
}

TEST(Claim, IsSomebodysWhenTheKernelNoLongerTells) {
  if (!can_fence_process()) GTEST_SKIP() << "this kernel never tells";
  const auto child = run_in_child([] {
    const Claim claim;
    if (!testing::refuse_system_call(SYS_membarrier, EPERM)) return 2;
    return claim.holder() != nullptr && claim.holder() != &me ? 0 : 1;
  });
  EXPECT_TRUE(child.ok()) << child;
}

}  // namespace
}  // namespace zmqloop
