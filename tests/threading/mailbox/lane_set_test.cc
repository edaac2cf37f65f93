// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/mailbox/lane_set.h"

#include <latch>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace zmqloop {
namespace {

std::set<Lane*> listed(const LaneSet& set) {
  std::set<Lane*> lanes;
  for (Lane* lane = set.first(); lane != nullptr; lane = lane->next_listed) lanes.insert(lane);
  return lanes;
}

TEST(LaneSet, HasAnIdOfItsOwn) {
  const auto a = std::make_shared<LaneSet>();
  const auto b = std::make_shared<LaneSet>();
  EXPECT_NE(a->id(), b->id());
  EXPECT_NE(a->id(), 0u);  // the id of an empty cache line
}

TEST(LaneSet, ListsALaneBeforeHandingItOut) {
  const auto set = std::make_shared<LaneSet>();
  EXPECT_EQ(set->first(), nullptr);
  Lane& a = set->acquire();
  Lane& b = set->acquire();
  EXPECT_EQ(listed(*set), (std::set<Lane*>{&a, &b}));
  EXPECT_EQ(set->size(), 2u);
}

TEST(LaneSet, HandsAReleasedLaneToTheNextOwner) {
  const auto set = std::make_shared<LaneSet>();
  Lane& a = set->acquire();
  set->release(a);
  EXPECT_EQ(&set->acquire(), &a);
  EXPECT_EQ(set->size(), 1u);
}

TEST(LaneSet, GivesAThreadTheSameLaneAgain) {
  const auto set = std::make_shared<LaneSet>();
  EXPECT_EQ(PostingThread::cached_lane(set->id()), nullptr);
  Lane* const lane = PostingThread::find_or_acquire_lane(*set);
  ASSERT_NE(lane, nullptr);
  EXPECT_EQ(PostingThread::cached_lane(set->id()), lane);
  EXPECT_EQ(PostingThread::find_or_acquire_lane(*set), lane);
  EXPECT_EQ(set->size(), 1u);
}

TEST(LaneSet, FindsALaneThatFellOutOfTheCache) {
  std::vector<std::shared_ptr<LaneSet>> sets;
  std::vector<Lane*> lanes;
  for (int i = 0; i < 100; ++i) {
    sets.push_back(std::make_shared<LaneSet>());
    lanes.push_back(PostingThread::find_or_acquire_lane(*sets.back()));
  }
  for (std::size_t i = 0; i < sets.size(); ++i) {
    EXPECT_EQ(PostingThread::find_or_acquire_lane(*sets[i]), lanes[i]);
    EXPECT_EQ(PostingThread::cached_lane(sets[i]->id()), lanes[i]);
    EXPECT_EQ(sets[i]->size(), 1u);
  }
}

TEST(LaneSet, GivesThreadsAtOneTimeLanesOfTheirOwn) {
  constexpr int kThreads = 16;
  const auto set = std::make_shared<LaneSet>();
  std::latch all_have_one(kThreads);
  std::vector<Lane*> lanes(kThreads);
  std::vector<std::thread> threads;
  for (Lane*& lane : lanes) {
    threads.emplace_back([&set, &lane, &all_have_one] {
      lane = PostingThread::find_or_acquire_lane(*set);
      all_have_one.arrive_and_wait();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set<Lane*>(lanes.begin(), lanes.end()).size(), std::size_t{kThreads});
  EXPECT_EQ(listed(*set), std::set<Lane*>(lanes.begin(), lanes.end()));
}

TEST(LaneSet, LetsLaterThreadsAdoptTheLanesOfThoseThatEnded) {
  const auto set = std::make_shared<LaneSet>();
  for (int i = 0; i < 100; ++i) {
    std::thread([&set] { PostingThread::find_or_acquire_lane(*set); }).join();
  }
  EXPECT_EQ(set->size(), 1u);
}

TEST(LaneSet, Rel_M3_OutlivesItsMailboxWhileAThreadHasALaneInIt) {
  std::weak_ptr<LaneSet> watched;
  std::thread([&watched] {
    auto set = std::make_shared<LaneSet>();
    watched = set;
    PostingThread::find_or_acquire_lane(*set);
    set.reset();
    EXPECT_FALSE(watched.expired());
  }).join();
  EXPECT_TRUE(watched.expired());
}

TEST(LaneSet, Rel_M2_OutlivesTheThreadsThatPosted) {
  const auto set = std::make_shared<LaneSet>();
  Lane* lane = nullptr;
  std::thread([&] {
    lane = PostingThread::find_or_acquire_lane(*set);
    Slot& slot = lane->reserve();
    slot.construct([] {});
    lane->commit(slot, 1);
  }).join();
  Slot* const slot = lane->peek();
  ASSERT_NE(slot, nullptr);
  lane->pop(*slot);
  slot->run();
  EXPECT_EQ(PostingThread::find_or_acquire_lane(*set), lane);
}

// A thread that keeps posting to new loops, each closed afterwards, keeps memory for only a few.
TEST(LaneSet, IsForgottenByPostingThreadsOnceRetired) {
  constexpr int kSets = 1'000;
  std::thread([] {
    std::vector<std::weak_ptr<LaneSet>> watched;
    for (int i = 0; i < kSets; ++i) {
      auto set = std::make_shared<LaneSet>();
      watched.push_back(set);
      PostingThread::find_or_acquire_lane(*set);
      set->retire();
    }
    int held = 0;
    for (const auto& set : watched) held += set.expired() ? 0 : 1;
    EXPECT_LE(held, 32);
  }).join();
}

TEST(LaneSet, IsNotForgottenWhileItLives) {
  std::thread([] {
    std::vector<std::shared_ptr<LaneSet>> living;
    std::vector<Lane*> lanes;
    for (int i = 0; i < 300; ++i) {
      auto set = std::make_shared<LaneSet>();
      Lane* const lane = PostingThread::find_or_acquire_lane(*set);
      if (i % 3 == 0) {
        living.push_back(set);
        lanes.push_back(lane);
      } else {
        set->retire();
      }
    }
    for (std::size_t i = 0; i < living.size(); ++i) {
      EXPECT_EQ(PostingThread::find_or_acquire_lane(*living[i]), lanes[i]);
    }
  }).join();
}

// at_end is made before any lane, so it is destroyed after the thread has given its lanes back.
TEST(LaneSet, HasNoLaneToKeepForAThreadThatEnds) {
  struct AsksAtItsEnd {
    std::shared_ptr<LaneSet> set;
    Lane** seen = nullptr;
    ~AsksAtItsEnd() {
      if (set) *seen = PostingThread::find_or_acquire_lane(*set);
    }
  };
  const auto set = std::make_shared<LaneSet>();
  Lane* before = nullptr;
  Lane marker;
  Lane* at_its_end = &marker;
  std::thread([&] {
    static thread_local AsksAtItsEnd at_end;
    at_end.set = set;
    at_end.seen = &at_its_end;
    before = PostingThread::find_or_acquire_lane(*set);
  }).join();
  EXPECT_NE(before, nullptr);
  EXPECT_EQ(at_its_end, nullptr);
  EXPECT_EQ(set->size(), 1u);
}

}  // namespace
}  // namespace zmqloop
