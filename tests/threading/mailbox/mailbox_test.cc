// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/mailbox/mailbox.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <latch>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/support/mailbox_consumer.h"
#include <gtest/gtest.h>

namespace zmqloop {
namespace {

using testing::run_batch;

TEST(Mailbox, RunsThePostsOfAThreadInOrder) {
  Mailbox mailbox(0);
  std::vector<int> order;
  for (int i = 0; i < 5'000; ++i) {
    EXPECT_EQ(mailbox.post([&order, i] { order.push_back(i); }), PostResult::kAccepted);
  }
  EXPECT_EQ(mailbox.pending(), 5'000u);
  EXPECT_EQ(run_batch(mailbox), 5'000u);
  EXPECT_EQ(mailbox.pending(), 0u);
  EXPECT_EQ(mailbox.taken(), 5'000u);
  std::vector<int> expected(5'000);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(order, expected);
}

TEST(Mailbox, LeavesPostsOfTheBatchToTheNextOne) {
  Mailbox mailbox(0);
  int run = 0;
  static_cast<void>(mailbox.post([&] {
    ++run;
    static_cast<void>(mailbox.post([&run] { ++run; }));
  }));
  EXPECT_EQ(run_batch(mailbox), 1u);
  EXPECT_EQ(run, 1);
  EXPECT_EQ(run_batch(mailbox), 1u);
  EXPECT_EQ(run, 2);
}

TEST(Mailbox, RunsThePostsOfManyThreadsInTheOrderTheyWereMade) {
  Mailbox mailbox(0);
  std::vector<int> order;
  for (int i = 0; i < 60; ++i) {
    std::thread([&] {
      static_cast<void>(mailbox.post([&order, i] { order.push_back(i); }));
    }).join();
    static_cast<void>(mailbox.post([&order, i] { order.push_back(1'000 + i); }));
  }
  EXPECT_EQ(run_batch(mailbox), 120u);
  for (std::size_t i = 0; i < 60; ++i) {
    EXPECT_EQ(order[2 * i], static_cast<int>(i));
    EXPECT_EQ(order[2 * i + 1], static_cast<int>(1'000 + i));
  }
}

// One thread floods, the others post now and then. Each of their posts runs in its turn, not behind
// the flood.
TEST(Mailbox, Rel_K2_RunsPostsAmidAFloodInTheirTurn) {
  constexpr int kThreads = 8;
  constexpr int kFlood = 2'000;
  Mailbox mailbox(0);
  std::vector<int> order;
  std::vector<int> expected;
  std::atomic<int> turn{0};
  std::vector<std::thread> threads;
  for (int self = 1; self <= kThreads; ++self) {
    threads.emplace_back([&, self] {
      for (testing::Backoff backoff; turn.load() != self;) backoff.step();
      static_cast<void>(mailbox.post([&order, self] { order.push_back(self); }));
      turn.store(0);
    });
  }
  for (int next = 1; next <= kThreads; ++next) {
    for (int i = 0; i < kFlood; ++i) {
      static_cast<void>(mailbox.post([&order] { order.push_back(0); }));
    }
    expected.insert(expected.end(), kFlood, 0);
    expected.push_back(next);
    turn.store(next);
    for (testing::Backoff backoff; turn.load() != 0;) backoff.step();
  }
  for (std::thread& thread : threads) thread.join();
  run_batch(mailbox);
  EXPECT_EQ(order, expected);
}

TEST(Mailbox, Rel_M6_TakesPostsOfAThousandLivingThreads) {
  constexpr std::size_t kThreads = 1'000;
  Mailbox mailboxes[2] = {Mailbox(0), Mailbox(0)};
  std::vector<int> run[2] = {std::vector<int>(kThreads), std::vector<int>(kThreads)};
  std::latch posted(kThreads);
  std::latch end(1);
  std::vector<std::thread> threads;
  for (std::size_t self = 0; self < kThreads; ++self) {
    threads.emplace_back([&, self] {
      for (int i = 0; i < 10; ++i) {
        for (std::size_t to = 0; to < 2; ++to) {
          static_cast<void>(mailboxes[to].post([&run, to, self] { ++run[to][self]; }));
        }
      }
      posted.count_down();
      end.wait();
    });
  }
  posted.wait();
  for (std::size_t to = 0; to < 2; ++to) {
    EXPECT_EQ(run_batch(mailboxes[to]), 10 * kThreads);
    EXPECT_EQ(run[to], std::vector<int>(kThreads, 10));
  }
  end.count_down();
  for (std::thread& thread : threads) thread.join();
}

TEST(Mailbox, MergesThreadsThatAreAliveByTheOrderOfTheirPosts) {
  constexpr int kThreads = 5;
  constexpr int kRounds = 200;
  Mailbox mailbox(0);
  std::vector<int> order;
  std::atomic<int> turn{0};
  std::vector<std::thread> threads;
  for (int self = 0; self < kThreads; ++self) {
    threads.emplace_back([&, self] {
      for (int round = 0; round < kRounds; ++round) {
        const int mine = round * kThreads + self;
        for (testing::Backoff backoff; turn.load() != mine;) backoff.step();
        static_cast<void>(mailbox.post([&order, mine] { order.push_back(mine); }));
        turn.store(mine + 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(run_batch(mailbox), std::uint64_t{kThreads * kRounds});
  std::vector<int> expected(kThreads * kRounds);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(order, expected);
}

TEST(Mailbox, TakesPostsWhoseThreadsHaveEnded) {
  Mailbox mailbox(0);
  int run = 0;
  for (int i = 0; i < 100; ++i) {
    std::thread([&] {
      for (int k = 0; k < 50; ++k) static_cast<void>(mailbox.post([&run] { ++run; }));
    }).join();
  }
  EXPECT_EQ(run_batch(mailbox), 5'000u);
  EXPECT_EQ(run, 5'000);
}

TEST(Mailbox, PostsNothingWhenTheCopyOfTheCallableThrows) {
  struct ThrowsWhenCopied {
    ThrowsWhenCopied() = default;
    ThrowsWhenCopied(const ThrowsWhenCopied&) { throw std::runtime_error("copy"); }
    void operator()() const {}
  };
  Mailbox mailbox(0);
  const ThrowsWhenCopied callable;
  EXPECT_THROW(static_cast<void>(mailbox.post(callable)), std::runtime_error);
  EXPECT_EQ(mailbox.pending(), 0u);
  int run = 0;
  static_cast<void>(mailbox.post([&run] { ++run; }));
  EXPECT_EQ(run_batch(mailbox), 1u);
  EXPECT_EQ(run, 1);
}

TEST(Mailbox, TakesLargeAndMoveOnlyCallables) {
  Mailbox mailbox(0);
  int sum = 0;
  static_cast<void>(mailbox.post([&sum, large = std::array<int, 100>{3}] { sum += large[0]; }));
  static_cast<void>(mailbox.post([&sum, p = std::make_unique<int>(4)] { sum += *p; }));
  EXPECT_EQ(run_batch(mailbox), 2u);
  EXPECT_EQ(sum, 7);
}

// The outer post has the lower ticket, so it runs first, although the inner ones were complete
// before it.
TEST(Mailbox, MayBePostedToByTheMoveOfACallable) {
  struct PostsWhenMoved {
    Mailbox* mailbox;
    std::vector<int>* order;
    PostsWhenMoved(Mailbox& m, std::vector<int>& o) : mailbox(&m), order(&o) {}
    PostsWhenMoved(PostsWhenMoved&& other) noexcept : mailbox(other.mailbox), order(other.order) {
      for (int i = 0; i < 100; ++i) {
        static_cast<void>(mailbox->post([o = order, i] { o->push_back(i); }));
      }
    }
    PostsWhenMoved& operator=(PostsWhenMoved&&) = delete;
    ~PostsWhenMoved() = default;
    void operator()() const { order->push_back(-1); }
  };
  Mailbox mailbox(0);
  std::vector<int> order;
  static_cast<void>(mailbox.post(PostsWhenMoved(mailbox, order)));
  static_cast<void>(mailbox.post([&order] { order.push_back(100); }));
  EXPECT_EQ(run_batch(mailbox), 102u);
  ASSERT_EQ(order.size(), 102u);
  EXPECT_EQ(order.front(), -1);
  for (std::size_t i = 0; i <= 100; ++i) EXPECT_EQ(order[i + 1], static_cast<int>(i));
}

// One poster is held in the middle of its post: the other posts run, and the consumer does not fall
// asleep.
TEST(Mailbox, Rel_A5_K7_DoesNotLetAPostHalfWayHoldOthersBack) {
  struct BlocksWhenMoved {
    std::latch* reached;
    std::latch* go_on;
    int* run;
    BlocksWhenMoved(std::latch& r, std::latch& g, int& n) : reached(&r), go_on(&g), run(&n) {}
    BlocksWhenMoved(BlocksWhenMoved&& other) noexcept
        : reached(other.reached), go_on(other.go_on), run(other.run) {
      reached->count_down();
      go_on->wait();
    }
    BlocksWhenMoved& operator=(BlocksWhenMoved&&) = delete;
    ~BlocksWhenMoved() = default;
    void operator()() const { *run += 100; }
  };
  Mailbox mailbox(0);
  std::latch reached(1);
  std::latch go_on(1);
  int run = 0;
  std::thread poster(
      [&] { static_cast<void>(mailbox.post(BlocksWhenMoved(reached, go_on, run))); });
  reached.wait();
  for (int round = 0; round < 3; ++round) {
    static_cast<void>(mailbox.post([&run] { ++run; }));
    EXPECT_EQ(run_batch(mailbox), 1u);
    EXPECT_FALSE(mailbox.all_taken());
    EXPECT_FALSE(mailbox.try_fall_asleep());
  }
  EXPECT_EQ(run, 3);
  go_on.count_down();
  poster.join();
  EXPECT_EQ(run_batch(mailbox), 1u);
  EXPECT_EQ(run, 103);
  EXPECT_TRUE(mailbox.all_taken());
  static_cast<void>(mailbox.post([&run] { ++run; }));
  EXPECT_EQ(run_batch(mailbox), 1u);
  EXPECT_TRUE(mailbox.try_fall_asleep());
}

TEST(Mailbox, TakesPostsFromTheDestructorsOfThreadLocals) {
  struct PostsAtItsEnd {
    Mailbox* mailbox = nullptr;
    std::vector<int>* order = nullptr;
    ~PostsAtItsEnd() {
      for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(mailbox->post([o = order, i] { o->push_back(i); }), PostResult::kAccepted);
      }
    }
  };
  // If at_end is constructed before the first post, it is destroyed after the thread has given its
  // lane back; if after, it is destroyed before.
  for (const bool before : {true, false}) {
    Mailbox mailbox(0);
    std::vector<int> order;
    std::thread([&, before] {
      if (!before) static_cast<void>(mailbox.post([&order] { order.push_back(-1); }));
      static thread_local PostsAtItsEnd at_end;
      at_end.mailbox = &mailbox;
      at_end.order = &order;
      if (before) static_cast<void>(mailbox.post([&order] { order.push_back(-1); }));
    }).join();
    EXPECT_EQ(run_batch(mailbox), 11u);
    std::vector<int> expected(11);
    std::iota(expected.begin(), expected.end(), -1);
    EXPECT_EQ(order, expected);
  }
}

TEST(Mailbox, KnowsItsOwnPosts) {
  Mailbox mailbox(0);
  static_cast<void>(mailbox.post([] {}));
  std::thread([&mailbox] { static_cast<void>(mailbox.post([] {})); }).join();
  mailbox.begin_batch(mailbox.look());
  Slot* slot = mailbox.take();
  ASSERT_NE(slot, nullptr);
  EXPECT_TRUE(mailbox.took_own_post());
  slot->run();
  slot = mailbox.take();
  ASSERT_NE(slot, nullptr);
  EXPECT_FALSE(mailbox.took_own_post());
  slot->run();
}

TEST(Mailbox, MayBeAbandonedInTheMiddleOfABatch) {
  Mailbox mailbox(4);
  std::vector<int> order;
  for (int i = 0; i < 10; ++i) {
    static_cast<void>(mailbox.post([&order, i] { order.push_back(i); }));
    if (i % 3 == 0) {
      std::thread([&] {
        static_cast<void>(mailbox.post([&order, i] { order.push_back(100 + i); }));
      }).join();
    }
  }
  mailbox.begin_batch(mailbox.look());
  for (int i = 0; i < 5; ++i) mailbox.take()->run();
  EXPECT_EQ(run_batch(mailbox), 9u);
  EXPECT_EQ(order, (std::vector<int>{0, 100, 1, 2, 3, 103, 4, 5, 6, 106, 7, 8, 9, 109}));
}

TEST(Mailbox, GivesMemoryBackAndWorksOn) {
  Mailbox mailbox(0);
  std::uint64_t run = 0;
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 20'000; ++i) static_cast<void>(mailbox.post([&run] { ++run; }));
    EXPECT_EQ(run_batch(mailbox), 20'000u);
    mailbox.trim();
  }
  EXPECT_EQ(run, 100'000u);
}

// ---- sleeping ----

TEST(MailboxSleep, FallsAsleepOnlyWithNothingPending) {
  Mailbox mailbox(1);
  static_cast<void>(mailbox.post([] {}));
  EXPECT_FALSE(mailbox.try_fall_asleep());
  run_batch(mailbox);
  EXPECT_TRUE(mailbox.try_fall_asleep());
  mailbox.wake_up();
  static_cast<void>(mailbox.post_from_signal([] {}));
  EXPECT_FALSE(mailbox.try_fall_asleep());
  run_batch(mailbox);
  EXPECT_TRUE(mailbox.try_fall_asleep());
}

TEST(MailboxSleep, DoesNotFallAsleepWithAStopRequested) {
  Mailbox mailbox(0);
  EXPECT_EQ(mailbox.request_stop(), PostResult::kAccepted);
  EXPECT_TRUE(mailbox.stop_requested());
  EXPECT_TRUE(mailbox.look().stop_requested());
  EXPECT_FALSE(mailbox.try_fall_asleep());
  EXPECT_TRUE(mailbox.clear_stop());
  EXPECT_FALSE(mailbox.stop_requested());
  EXPECT_FALSE(mailbox.clear_stop());
  EXPECT_TRUE(mailbox.try_fall_asleep());
}

TEST(MailboxSleep, TellsOnePosterToWakeIt) {
  Mailbox mailbox(1);
  ASSERT_TRUE(mailbox.try_fall_asleep());
  EXPECT_EQ(mailbox.post([] {}), PostResult::kMustWake);
  mailbox.woken();
  EXPECT_EQ(mailbox.post([] {}), PostResult::kAccepted);
  EXPECT_EQ(mailbox.post_from_signal([] {}), PostResult::kAccepted);
  EXPECT_EQ(run_batch(mailbox), 3u);
}

TEST(MailboxSleep, IsEndedByAStopAndByASignalPost) {
  Mailbox mailbox(1);
  ASSERT_TRUE(mailbox.try_fall_asleep());
  EXPECT_EQ(mailbox.post_from_signal([] {}), PostResult::kMustWake);
  mailbox.woken();
  EXPECT_EQ(run_batch(mailbox), 1u);
  ASSERT_TRUE(mailbox.try_fall_asleep());
  EXPECT_EQ(mailbox.request_stop(), PostResult::kMustWake);
  mailbox.woken();
  EXPECT_EQ(mailbox.request_stop(), PostResult::kAccepted);
}

TEST(MailboxSleep, NeedsNoRingOnceTheConsumerWokeByItself) {
  Mailbox mailbox(0);
  ASSERT_TRUE(mailbox.try_fall_asleep());
  mailbox.wake_up();
  EXPECT_EQ(mailbox.post([] {}), PostResult::kAccepted);
}

TEST(MailboxSleep, IsEndedByExactlyOneOfManyPosters) {
  constexpr int kPosters = 8;
  constexpr int kSleeps = 500;
  Mailbox mailbox(0);
  std::atomic<int> must_wake{0};
  for (int sleep = 0; sleep < kSleeps; ++sleep) {
    ASSERT_TRUE(mailbox.try_fall_asleep());
    std::latch both_ready(2);
    const auto poster = [&] {
      both_ready.arrive_and_wait();
      for (int i = 0; i < kPosters / 2; ++i) {
        if (mailbox.post([] {}) == PostResult::kMustWake) {
          must_wake.fetch_add(1);
          mailbox.woken();
        }
      }
    };
    std::thread other(poster);
    poster();
    other.join();
    ASSERT_EQ(must_wake.exchange(0), 1);
    ASSERT_EQ(run_batch(mailbox), std::uint64_t{kPosters});
  }
}

// ---- signals ----

TEST(MailboxSignal, AcceptsExactlyItsSlotsAndCountsWhatItRefuses) {
  constexpr std::uint64_t kSlots = 100;
  Mailbox mailbox(kSlots);
  std::vector<std::uint64_t> order;
  for (std::uint64_t round = 1; round <= 3; ++round) {
    order.clear();
    for (std::uint64_t i = 0; i < kSlots; ++i) {
      EXPECT_EQ(mailbox.post_from_signal([&order, i] { order.push_back(i); }),
                PostResult::kAccepted);
    }
    for (int i = 0; i < 7; ++i) {
      EXPECT_EQ(mailbox.post_from_signal([] { FAIL(); }), PostResult::kRefused);
    }
    EXPECT_EQ(mailbox.signal_posts_accepted(), round * kSlots);
    EXPECT_EQ(mailbox.signal_posts_refused(), round * 7);
    EXPECT_EQ(mailbox.refused(), 0u);
    EXPECT_EQ(run_batch(mailbox), kSlots);
    std::vector<std::uint64_t> expected(kSlots);
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_EQ(order, expected);
  }
}

TEST(MailboxSignal, MergesWithOrdinaryPostsInTheOrderMade) {
  Mailbox mailbox(100);
  std::vector<int> order;
  for (int i = 0; i < 300; ++i) {
    const auto callable = [&order, i] { order.push_back(i); };
    if (i % 3 == 0) {
      EXPECT_EQ(mailbox.post_from_signal(callable), PostResult::kAccepted);
    } else if (i % 3 == 1) {
      EXPECT_EQ(mailbox.post(callable), PostResult::kAccepted);
    } else {
      std::thread([&] { static_cast<void>(mailbox.post(callable)); }).join();
    }
  }
  EXPECT_EQ(run_batch(mailbox), 300u);
  std::vector<int> expected(300);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(order, expected);
}

// A slot is free again before its callable runs, so the callable may cause another signal post.
TEST(MailboxSignal, HasItsSlotFreeAgainWhileTheCallableRuns) {
  Mailbox mailbox(1);
  int run = 0;
  static_cast<void>(mailbox.post_from_signal([&mailbox, &run] {
    ++run;
    EXPECT_EQ(mailbox.post_from_signal([&run] { ++run; }), PostResult::kAccepted);
  }));
  EXPECT_EQ(run_batch(mailbox), 1u);
  EXPECT_EQ(run_batch(mailbox), 1u);
  EXPECT_EQ(run, 2);
}

TEST(MailboxSignal, IsRefusedWithoutSlotsAndAfterClose) {
  Mailbox none(0);
  EXPECT_EQ(none.post_from_signal([] { FAIL(); }), PostResult::kRefused);
  Mailbox closed(1);
  closed.close();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(closed.post_from_signal([] { FAIL(); }), PostResult::kRefused);
  }
  EXPECT_EQ(closed.signal_posts_refused(), 3u);
}

}  // namespace
}  // namespace zmqloop
