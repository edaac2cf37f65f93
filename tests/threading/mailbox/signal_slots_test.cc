// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/mailbox/signal_slots.h"

#include <cstdint>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace zmqloop {
namespace {

void fill(SignalSlots& slots, Slot& slot, std::uint64_t ticket, std::vector<std::uint64_t>& ran) {
  slot.construct([&ran, ticket] { ran.push_back(ticket); });
  slots.publish(slot, ticket);
}

void run_collected(SignalSlots& slots) {
  while (Slot* slot = slots.peek()) {
    slots.pop();
    slot->run();
    slots.recycle(*slot);
  }
}

class SignalSlotsOfSize : public testing::TestWithParam<std::size_t> {};

TEST_P(SignalSlotsOfSize, GivesOutExactlyItsCapacity) {
  SignalSlots slots(GetParam());
  EXPECT_EQ(slots.capacity(), GetParam());
  std::set<Slot*> claimed;
  for (std::size_t i = 0; i < GetParam(); ++i) {
    Slot* const slot = slots.claim();
    ASSERT_NE(slot, nullptr);
    EXPECT_TRUE(claimed.insert(slot).second);
  }
  EXPECT_EQ(slots.claim(), nullptr);
  for (Slot* slot : claimed) slots.recycle(*slot);
  for (std::size_t i = 0; i < GetParam(); ++i) EXPECT_NE(slots.claim(), nullptr);
  EXPECT_EQ(slots.claim(), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Sizes, SignalSlotsOfSize,
                         testing::Values(0, 1, 63, 64, 65, 128, 1000, 1024));

TEST(SignalSlots, CollectsInTicketOrderWhatLiesBelowTheLimit) {
  SignalSlots slots(10);
  std::vector<std::uint64_t> ran;
  for (const std::uint64_t ticket : {7u, 3u, 9u, 1u, 5u}) fill(slots, *slots.claim(), ticket, ran);
  slots.collect(7);
  run_collected(slots);
  EXPECT_EQ(ran, (std::vector<std::uint64_t>{1, 3, 5}));
  slots.collect(100);
  run_collected(slots);
  EXPECT_EQ(ran, (std::vector<std::uint64_t>{1, 3, 5, 7, 9}));
  slots.collect(100);
  EXPECT_EQ(slots.peek(), nullptr);
}

TEST(SignalSlots, DoesNotShowAClaimThatIsNotPublished) {
  SignalSlots slots(2);
  Slot* const half_way = slots.claim();
  std::vector<std::uint64_t> ran;
  fill(slots, *slots.claim(), 2, ran);
  slots.collect(10);
  run_collected(slots);
  EXPECT_EQ(ran, (std::vector<std::uint64_t>{2}));
  fill(slots, *half_way, 1, ran);
  slots.collect(10);
  run_collected(slots);
  EXPECT_EQ(ran, (std::vector<std::uint64_t>{2, 1}));
}

TEST(SignalSlots, AreReusedForEver) {
  SignalSlots slots(3);
  std::vector<std::uint64_t> ran;
  for (std::uint64_t ticket = 1; ticket <= 3'000; ++ticket) {
    Slot* const slot = slots.claim();
    ASSERT_NE(slot, nullptr);
    fill(slots, *slot, ticket, ran);
    if (ticket % 3 == 0) {
      slots.collect(ticket + 1);
      run_collected(slots);
    }
  }
  ASSERT_EQ(ran.size(), 3'000u);
  for (std::size_t i = 0; i < ran.size(); ++i) EXPECT_EQ(ran[i], i + 1);
}

TEST(SignalSlots, ReservedKeepTheirCallableAndAreNeverGivenToOthers) {
  SignalSlots slots(2);
  int runs = 0;
  Slot* const reserved = slots.reserve();
  ASSERT_NE(reserved, nullptr);
  reserved->construct([&runs] { ++runs; });
  std::uint64_t ticket = 0;
  for (int round = 1; round <= 3; ++round) {
    slots.publish(*reserved, ++ticket);
    slots.collect(100);
    ASSERT_EQ(slots.peek(), reserved);
    slots.pop();
    Slot copy;
    copy.copy_callable(*reserved);
    slots.recycle(*reserved);
    Slot* const other = slots.claim();
    ASSERT_NE(other, nullptr);
    EXPECT_NE(other, reserved);
    EXPECT_EQ(slots.claim(), nullptr);
    slots.recycle(*other);
    copy.run();
    EXPECT_EQ(runs, round);
  }
  slots.unreserve(*reserved);
  EXPECT_NE(slots.claim(), nullptr);
  EXPECT_NE(slots.claim(), nullptr);
  EXPECT_EQ(slots.reserve(), nullptr) << "all are taken";
}

}  // namespace
}  // namespace zmqloop
