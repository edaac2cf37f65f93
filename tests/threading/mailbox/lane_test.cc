// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/mailbox/lane.h"

#include <cstdint>
#include <sched.h>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "zmqloop/threading/mailbox/thread_role.h"

namespace zmqloop {
namespace {

template <class F>
void put(Lane& lane, std::uint64_t ticket, F f) {
  Slot& slot = lane.reserve();
  slot.construct(f);
  lane.commit(slot, ticket);
}

// Runs all callables in the lane; returns the tickets in the order read.
std::vector<std::uint64_t> drain(Lane& lane) {
  std::vector<std::uint64_t> tickets;
  while (Slot* slot = lane.peek()) {
    tickets.push_back(slot->ticket());
    lane.pop(*slot);
    slot->run();
  }
  return tickets;
}

class SpareSegments : public testing::Test {
 protected:
  SegmentBag bag_;
};

TEST(Lane, IsEmptyAtFirst) {
  Lane lane;
  EXPECT_EQ(lane.peek(), nullptr);
  EXPECT_EQ(lane.pop_if(1, 100), nullptr);
  EXPECT_FALSE(lane.is_next(1));
}

TEST(Lane, ShowsNothingBeforeTheCommit) {
  Lane lane;
  Slot& slot = lane.reserve();
  slot.construct([] {});
  EXPECT_EQ(lane.peek(), nullptr);
  lane.commit(slot, 1);
  EXPECT_EQ(lane.peek(), &slot);
  EXPECT_EQ(drain(lane).size(), 1u);
}

TEST(Lane, ReservesTheSameSlotUntilTheCommit) {
  Lane lane;
  Slot& slot = lane.reserve();
  EXPECT_EQ(&lane.reserve(), &slot);
}

TEST(Lane, KeepsItsOrderAcrossManySegments) {
  Lane lane;
  std::vector<int> order;
  constexpr int kPosts = 10'000;
  for (int i = 0; i < kPosts; ++i) {
    put(lane, static_cast<std::uint64_t>(i) + 1, [&order, i] { order.push_back(i); });
  }
  EXPECT_EQ(drain(lane).size(), std::size_t{kPosts});
  for (int i = 0; i < kPosts; ++i) ASSERT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(Lane, TakesOnlyTheTicketAskedFor) {
  Lane lane;
  put(lane, 5, [] {});
  put(lane, 9, [] {});
  EXPECT_EQ(lane.pop_if(4, 100), nullptr);
  EXPECT_FALSE(lane.is_next(4));
  EXPECT_TRUE(lane.is_next(5));
  Slot* const slot = lane.pop_if(5, 100);
  ASSERT_NE(slot, nullptr);
  slot->run();
  EXPECT_EQ(lane.pop_if(5, 100), nullptr);
  EXPECT_TRUE(lane.is_next(9));
  EXPECT_EQ(drain(lane), (std::vector<std::uint64_t>{9}));
}

// Invariant L2: a reused slot still carries a ticket that was read before.
TEST(Lane, Rel_A8_NeverShowsASlotOfAnEarlierUseAgain) {
  Lane lane;
  std::uint64_t ticket = 1;  // an unused slot carries 0
  std::uint64_t run = 0;
  for (int round = 0; round < 2'000; ++round) {
    const int posts = round % 300;
    std::vector<std::uint64_t> expected;
    for (int i = 0; i < posts; ++i) {
      ticket += static_cast<std::uint64_t>(1 + round % 3);
      expected.push_back(ticket);
      put(lane, ticket, [&run] { ++run; });
    }
    ASSERT_EQ(drain(lane), expected);
    ASSERT_EQ(lane.peek(), nullptr);
    ASSERT_FALSE(lane.is_next(ticket));
  }
  EXPECT_EQ(run, 2'000u / 300 * (299 * 300 / 2) + 199 * 200 / 2);
}

TEST(Lane, CarriesCallablesFromOneThreadToAnother) {
  constexpr std::uint64_t kPosts = 200'000;
  Lane lane;
  std::uint64_t sum = 0;
  std::thread producer([&lane, &sum] {
    for (std::uint64_t ticket = 1; ticket <= kPosts; ++ticket) {
      put(lane, ticket, [&sum, ticket] { sum += ticket; });
    }
  });
  for (std::uint64_t expected = 1; expected <= kPosts;) {
    Slot* const slot = lane.pop_if(expected, ~std::uint64_t{0});
    if (slot == nullptr) {
      sched_yield();
      continue;
    }
    slot->run();
    ++expected;
  }
  producer.join();
  EXPECT_EQ(sum, kPosts * (kPosts + 1) / 2);
  EXPECT_EQ(lane.peek(), nullptr);
}

// The wait for a slow consumer is bounded; otherwise this would hang.
TEST(Lane, Rel_K4_NeverWaitsForeverForItsConsumer) {
  for (const char* const loop_of_thread : {static_cast<const char*>(nullptr), "a loop"}) {
    ThreadRole::set_loop_name(loop_of_thread);
    Lane lane;
    std::uint64_t ticket = 0;
    for (int i = 0; i < 50'000; ++i) put(lane, ++ticket, [] {});
    // The consumer makes some progress, so that it counts as working, and then none.
    for (int i = 0; i < 1'000; ++i) {
      Slot* const slot = lane.peek();
      ASSERT_NE(slot, nullptr);
      lane.pop(*slot);
      slot->run();
    }
    for (int i = 0; i < 50'000; ++i) put(lane, ++ticket, [] {});
    EXPECT_EQ(drain(lane).size(), 99'000u);
  }
  ThreadRole::set_loop_name(nullptr);
}

TEST(Lane, RemembersThatACallableIsUnderConstruction) {
  Lane lane;
  EXPECT_FALSE(lane.constructing());
  lane.set_constructing(true);
  EXPECT_TRUE(lane.constructing());
  lane.set_constructing(false);
  EXPECT_FALSE(lane.constructing());
}

TEST(Lane, WorksOnAfterItsSpareMemoryWasGivenBack) {
  Lane lane;
  std::uint64_t ticket = 0;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 1'000; ++i) put(lane, ++ticket, [] {});
    EXPECT_EQ(drain(lane).size(), 1'000u);
    lane.trim();
  }
}

TEST_F(SpareSegments, ComeBackAsTheyWerePutIn) {
  EXPECT_EQ(bag_.take(), nullptr);
  Segment::Owner segment = Segment::make(8);
  const Segment* const raw = segment.get();
  bag_.put(std::move(segment));
  EXPECT_EQ(bag_.take().get(), raw);
  EXPECT_EQ(bag_.take(), nullptr);
}

TEST_F(SpareSegments, AreFreedBeyondTheBagsPlaces) {
  for (std::size_t i = 0; i < SegmentBag::kPlaces * 3; ++i) bag_.put(Segment::make(8));
  std::size_t kept = 0;
  while (bag_.take()) ++kept;
  EXPECT_EQ(kept, SegmentBag::kPlaces);
}

TEST_F(SpareSegments, AreFreedOnDemand) {
  for (std::size_t i = 0; i < SegmentBag::kPlaces; ++i) bag_.put(Segment::make(8));
  bag_.keep_at_most(1);
  EXPECT_NE(bag_.take(), nullptr);
  EXPECT_EQ(bag_.take(), nullptr);
}

}  // namespace
}  // namespace zmqloop
