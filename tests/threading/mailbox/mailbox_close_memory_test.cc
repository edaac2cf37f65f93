// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Closing a mailbox when there is no memory to merge its lanes: every accepted callable is
// destroyed once, and counted.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <memory>
#include <new>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/counted_memory.h"
#include "tests/support/mailbox_consumer.h"
#include <gtest/gtest.h>

#include "zmqloop/threading/mailbox/mailbox.h"

namespace zmqloop {
namespace {

using testing::allocations_left;

// More lanes than a mailbox merges without allocating.
constexpr int kLanes = 40;
constexpr int kPostsOfEach = 3;

// Counts its destructions, but not those of a moved-from object.
class Counted {
 public:
  explicit Counted(std::atomic<int>& ends) : ends_(&ends) {}
  Counted(Counted&& other) noexcept : ends_(std::exchange(other.ends_, nullptr)) {}
  Counted& operator=(Counted&&) = delete;
  ~Counted() {
    if (ends_ != nullptr) ++*ends_;
  }
  void operator()() const { ADD_FAILURE() << "ran"; }

 private:
  std::atomic<int>* ends_;
};

class MailboxCloseMemory : public ::testing::Test {
 protected:
  // Each thread gets a lane of its own, because none ends before all have posted.
  void fill(Mailbox& mailbox) {
    std::vector<std::thread> threads;
    std::latch all_have_posted(kLanes);
    for (int i = 0; i < kLanes; ++i) {
      threads.emplace_back([&, i] {
        for (int j = 0; j < kPostsOfEach; ++j) {
          EXPECT_EQ(mailbox.post(Counted(ends_of(i, j))), PostResult::kAccepted);
        }
        all_have_posted.arrive_and_wait();
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  std::atomic<int>& ends_of(int lane, int post) {
    return ends_[static_cast<std::size_t>(lane * kPostsOfEach + post)];
  }
  void expect_each_was_destroyed_once() {
    for (const std::atomic<int>& each : ends_) EXPECT_EQ(each, 1);
  }

  std::array<std::atomic<int>, static_cast<std::size_t>(kLanes * kPostsOfEach)> ends_{};
};

TEST_F(MailboxCloseMemory, ThatIsMissingFromAnyMomentOnLosesNothing) {
  bool needed_more = true;
  for (int enough_for = 0; needed_more; ++enough_for) {
    for (std::atomic<int>& each : ends_) each = 0;
    Mailbox mailbox(16);
    fill(mailbox);
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(mailbox.post_from_signal([] { ADD_FAILURE() << "ran"; }), PostResult::kAccepted);
    }
    allocations_left = enough_for;
    const std::uint64_t destroyed = mailbox.close();
    needed_more = allocations_left == 0;
    allocations_left = -1;
    EXPECT_EQ(destroyed, ends_.size() + 5);
    EXPECT_EQ(mailbox.close(), 0u);
    EXPECT_EQ(mailbox.pending(), 0u);
    expect_each_was_destroyed_once();
  }
}

TEST_F(MailboxCloseMemory, ThatIsMissingIsNotMissedByTheDestructorEither) {
  auto mailbox = std::make_unique<Mailbox>(16);
  fill(*mailbox);
  allocations_left = 0;
  mailbox.reset();
  allocations_left = -1;
  expect_each_was_destroyed_once();
}

TEST_F(MailboxCloseMemory, ThatIsMissingAlsoInABatchBeforeLosesNothing) {
  Mailbox mailbox(16);
  fill(mailbox);
  mailbox.begin_batch(mailbox.look());
  bool threw = false;
  std::uint64_t destroyed = 0;
  allocations_left = 0;
  try {
    for (; Slot* const slot = mailbox.take(); ++destroyed) slot->destroy();
  } catch (const std::bad_alloc&) {
    threw = true;
  }
  destroyed += mailbox.close();
  allocations_left = -1;
  EXPECT_TRUE(threw);
  EXPECT_EQ(destroyed, ends_.size());
  expect_each_was_destroyed_once();
}

TEST_F(MailboxCloseMemory, ThatIsMissingInAnAbandonedBatchLosesNothing) {
  Mailbox mailbox(16);
  fill(mailbox);
  mailbox.begin_batch(mailbox.look());
  for (std::size_t i = 0; i < ends_.size() / 2; ++i) mailbox.take()->destroy();
  allocations_left = 0;
  const std::uint64_t destroyed = mailbox.close();
  allocations_left = -1;
  EXPECT_EQ(destroyed, ends_.size() - ends_.size() / 2);
  expect_each_was_destroyed_once();
}

TEST_F(MailboxCloseMemory, ThatIsMissingLetsDestructorsPostAndBeRefused) {
  struct PostsAtItsEnd {
    explicit PostsAtItsEnd(Mailbox& m) : mailbox(&m) {}
    PostsAtItsEnd(PostsAtItsEnd&& other) noexcept
        : mailbox(std::exchange(other.mailbox, nullptr)) {}
    PostsAtItsEnd& operator=(PostsAtItsEnd&&) = delete;
    ~PostsAtItsEnd() {
      if (mailbox == nullptr) return;
      EXPECT_EQ(mailbox->post_from_signal([] {}), PostResult::kRefused);
    }
    void operator()() const {}
    Mailbox* mailbox;
  };
  Mailbox mailbox(16);
  fill(mailbox);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(mailbox.post(PostsAtItsEnd(mailbox)), PostResult::kAccepted);
  }
  allocations_left = 0;
  const std::uint64_t destroyed = mailbox.close();
  allocations_left = -1;
  EXPECT_EQ(destroyed, ends_.size() + 5);
  EXPECT_EQ(mailbox.signal_posts_refused(), 5u);
}

// One more poster: it stops between its ticket and its slot.
TEST_F(MailboxCloseMemory, ThatIsMissingLetsItWaitForAPosterThatIsHalfWay) {
  struct BlocksWhenMoved {
    std::latch* reached;
    std::latch* go_on;
    Counted counted;
    BlocksWhenMoved(std::latch& r, std::latch& g, std::atomic<int>& ends)
        : reached(&r), go_on(&g), counted(ends) {}
    BlocksWhenMoved(BlocksWhenMoved&& other) noexcept
        : reached(other.reached), go_on(other.go_on), counted(std::move(other.counted)) {
      reached->count_down();
      go_on->wait();
    }
    BlocksWhenMoved& operator=(BlocksWhenMoved&&) = delete;
    ~BlocksWhenMoved() = default;
    void operator()() const { ADD_FAILURE() << "ran"; }
  };
  Mailbox mailbox(16);
  fill(mailbox);
  std::atomic<int> ends_of_the_late_one{0};
  std::latch reached(1);
  std::latch go_on(1);
  std::thread poster([&] {
    EXPECT_EQ(mailbox.post(BlocksWhenMoved(reached, go_on, ends_of_the_late_one)),
              PostResult::kAccepted);
  });
  reached.wait();
  std::thread releaser([&] {
    // Go on once all others are destroyed.
    for (testing::Backoff backoff; mailbox.taken() < ends_.size();) backoff.step();
    go_on.count_down();
  });
  allocations_left = 0;
  const std::uint64_t destroyed = mailbox.close();
  allocations_left = -1;
  EXPECT_EQ(destroyed, ends_.size() + 1);
  EXPECT_EQ(ends_of_the_late_one, 1);
  poster.join();
  releaser.join();
  expect_each_was_destroyed_once();
}

}  // namespace
}  // namespace zmqloop
