// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Posting races with closing: each post is accepted or refused, never lost.
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <latch>
#include <memory>
#include <sched.h>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/mailbox_consumer.h"
#include "tests/support/real_time.h"
#include <gtest/gtest.h>

#include "zmqloop/threading/mailbox/mailbox.h"

namespace zmqloop {
namespace {

using testing::run_batch;

// Calls a function when it is destroyed, unless it was moved from.
class AtDestruction {
 public:
  explicit AtDestruction(std::function<void()> f) : f_(std::move(f)) {}
  AtDestruction(AtDestruction&& other) noexcept : f_(std::exchange(other.f_, nullptr)) {}
  AtDestruction& operator=(AtDestruction&&) = delete;
  ~AtDestruction() {
    if (f_) f_();
  }
  void operator()() const {}

 private:
  std::function<void()> f_;
};

TEST(MailboxClose, RefusesLaterPostsAndCountsThem) {
  Mailbox mailbox(0);
  EXPECT_EQ(mailbox.post([] {}), PostResult::kAccepted);
  EXPECT_EQ(mailbox.close(), 1u);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(mailbox.post([] { FAIL(); }), PostResult::kRefused);
  EXPECT_EQ(mailbox.refused(), 5u);
  EXPECT_EQ(mailbox.pending(), 0u);
  EXPECT_EQ(run_batch(mailbox), 0u);
}

TEST(MailboxClose, RefusesAThreadThatNeverPostedBefore) {
  Mailbox mailbox(0);
  mailbox.close();
  std::thread([&mailbox] { EXPECT_EQ(mailbox.post([] { FAIL(); }), PostResult::kRefused); }).join();
  EXPECT_EQ(mailbox.refused(), 1u);
}

// The callable is destroyed even if the caller could have kept it: "refused" means it is gone.
TEST(MailboxClose, DestroysWhatItRefusesWhetherTheThreadHadPostedOrNot) {
  for (const bool had_posted : {false, true}) {
    Mailbox mailbox(0);
    if (had_posted) static_cast<void>(mailbox.post([] {}));
    mailbox.close();
    const auto shared = std::make_shared<int>();
    auto small = [p = shared] {};
    auto large = [p = shared, bytes = std::array<char, 100>()] { static_cast<void>(bytes); };
    EXPECT_EQ(mailbox.post(std::move(small)), PostResult::kRefused);
    EXPECT_EQ(mailbox.post(std::move(large)), PostResult::kRefused);
    EXPECT_EQ(shared.use_count(), 1) << "had posted before: " << had_posted;
  }
}

TEST(MailboxClose, LeavesALvalueThatItRefusesAlone) {
  Mailbox mailbox(0);
  mailbox.close();
  const auto shared = std::make_shared<int>();
  const auto callable = [shared] {};
  EXPECT_EQ(mailbox.post(callable), PostResult::kRefused);
  EXPECT_EQ(shared.use_count(), 2);
}

TEST(MailboxClose, DestroysWhatWasNotRunAndReturnsHowMany) {
  Mailbox mailbox(2);
  const auto shared = std::make_shared<int>();
  for (int i = 0; i < 1'000; ++i) static_cast<void>(mailbox.post([shared] { FAIL(); }));
  std::thread([&] {
    for (int i = 0; i < 10; ++i) static_cast<void>(mailbox.post([shared] { FAIL(); }));
  }).join();
  static_cast<void>(mailbox.post_from_signal([] { FAIL(); }));
  EXPECT_EQ(mailbox.close(), 1'011u);
  EXPECT_EQ(shared.use_count(), 1);
  EXPECT_EQ(mailbox.close(), 0u);
}

TEST(MailboxClose, DoesNotCountWhatHasRun) {
  Mailbox mailbox(0);
  for (int i = 0; i < 10; ++i) static_cast<void>(mailbox.post([] {}));
  run_batch(mailbox);
  for (int i = 0; i < 3; ++i) static_cast<void>(mailbox.post([] {}));
  EXPECT_EQ(mailbox.close(), 3u);
}

TEST(MailboxClose, DestroysOnTheClosingThread) {
  Mailbox mailbox(0);
  std::thread::id destroyed_on;
  std::thread([&] {
    static_cast<void>(mailbox.post(
        AtDestruction([&destroyed_on] { destroyed_on = std::this_thread::get_id(); })));
  }).join();
  EXPECT_EQ(mailbox.close(), 1u);
  EXPECT_EQ(destroyed_on, std::this_thread::get_id());
}

TEST(MailboxClose, IsPartOfDestruction) {
  const auto shared = std::make_shared<int>();
  {
    Mailbox mailbox(0);
    static_cast<void>(mailbox.post([shared] { FAIL(); }));
  }
  EXPECT_EQ(shared.use_count(), 1);
}

TEST(MailboxClose, RefusesWhatDestructorsPostMeanwhile) {
  Mailbox mailbox(1);
  int refused = 0;
  for (int i = 0; i < 100; ++i) {
    static_cast<void>(mailbox.post(AtDestruction([&] {
      refused += mailbox.post([] { FAIL(); }) == PostResult::kRefused ? 1 : 0;
      refused += mailbox.post_from_signal([] { FAIL(); }) == PostResult::kRefused ? 1 : 0;
    })));
  }
  EXPECT_EQ(mailbox.close(), 100u);
  EXPECT_EQ(refused, 200);
}

TEST(MailboxClose, RefusesWhatTheDestructorOfARefusedCallablePosts) {
  Mailbox mailbox(0);
  static_cast<void>(mailbox.post([] {}));
  mailbox.close();
  PostResult inner = PostResult::kAccepted;
  EXPECT_EQ(mailbox.post(AtDestruction([&] { inner = mailbox.post([] { FAIL(); }); })),
            PostResult::kRefused);
  EXPECT_EQ(inner, PostResult::kRefused);
}

TEST(MailboxClose, MayFollowAnAbandonedBatch) {
  Mailbox mailbox(0);
  const auto shared = std::make_shared<int>();
  for (int i = 0; i < 10; ++i) {
    static_cast<void>(mailbox.post([shared] {}));
    std::thread([&] { static_cast<void>(mailbox.post([shared] {})); }).join();
  }
  mailbox.begin_batch(mailbox.look());
  for (int i = 0; i < 7; ++i) mailbox.take()->run();
  EXPECT_EQ(mailbox.close(), 13u);
  EXPECT_EQ(shared.use_count(), 1);
}

TEST(MailboxClose, WaitsForAPosterThatIsHalfWay) {
  struct BlocksWhenMoved {
    std::latch* reached;
    std::latch* go_on;
    std::shared_ptr<int> shared;
    BlocksWhenMoved(std::latch& r, std::latch& g, std::shared_ptr<int> s)
        : reached(&r), go_on(&g), shared(std::move(s)) {}
    BlocksWhenMoved(BlocksWhenMoved&& other) noexcept
        : reached(other.reached), go_on(other.go_on), shared(std::move(other.shared)) {
      reached->count_down();
      go_on->wait();
    }
    BlocksWhenMoved& operator=(BlocksWhenMoved&&) = delete;
    ~BlocksWhenMoved() = default;
    void operator()() const { FAIL(); }
  };
  Mailbox mailbox(0);
  const auto shared = std::make_shared<int>();
  std::latch reached(1);
  std::latch go_on(1);
  std::thread poster([&] {
    EXPECT_EQ(mailbox.post(BlocksWhenMoved(reached, go_on, shared)), PostResult::kAccepted);
  });
  reached.wait();
  std::thread releaser([&] {
    for (testing::Backoff backoff; !mailbox.look().closed();) backoff.step();
    go_on.count_down();
  });
  EXPECT_EQ(mailbox.close(), 1u);
  EXPECT_EQ(shared.use_count(), 1);
  poster.join();
  releaser.join();
}

// The closing thread has real-time priority: the poster cannot run until it leaves their common
// CPU.
TEST(MailboxClose, ByAThreadOfRealTimePriorityLeavesItsCpuToThePosterItWaitsFor) {
  if (const std::string reason = testing::why_no_real_time(); !reason.empty()) {
    GTEST_SKIP() << reason;
  }
  struct GoesOnWhenClosed {
    Mailbox* mailbox;
    std::latch* reached;
    GoesOnWhenClosed(Mailbox& m, std::latch& r) : mailbox(&m), reached(&r) {}
    GoesOnWhenClosed(GoesOnWhenClosed&& other) noexcept
        : mailbox(other.mailbox), reached(other.reached) {
      reached->count_down();
      while (!mailbox->look().closed()) sched_yield();
    }
    GoesOnWhenClosed& operator=(GoesOnWhenClosed&&) = delete;
    ~GoesOnWhenClosed() = default;
    void operator()() const { FAIL(); }
  };
  const int cpu = testing::shared_cpu();
  for (int round = 0; round < 3; ++round) {
    Mailbox mailbox(0);
    std::latch reached(1);
    std::thread poster([&] {
      testing::run_this_thread_on(cpu);
      EXPECT_EQ(mailbox.post(GoesOnWhenClosed(mailbox, reached)), PostResult::kAccepted);
    });
    reached.wait();
    std::uint64_t destroyed = 0;
    const long departures =
        testing::departures_at_real_time(cpu, [&] { destroyed = mailbox.close(); });
    poster.join();
    EXPECT_EQ(destroyed, 1u);
    EXPECT_GT(departures, 0) << "it kept the CPU, and ended when the kernel took it away";
  }
}

// A poster that has to wake the consumer still uses the mailbox until it calls woken().
TEST(MailboxClose, WaitsForAPosterThatIsAboutToRing) {
  auto mailbox = std::make_unique<Mailbox>(0);
  ASSERT_TRUE(mailbox->try_fall_asleep());
  std::atomic<bool> woken{false};
  std::latch posted(1);
  std::thread poster([&] {
    ASSERT_EQ(mailbox->post([] {}), PostResult::kMustWake);
    posted.count_down();
    for (testing::Backoff backoff; !mailbox->look().closed();) backoff.step();
    woken.store(true);
    mailbox->woken();
  });
  posted.wait();
  EXPECT_EQ(mailbox->close(), 1u);
  EXPECT_TRUE(woken.load());
  poster.join();
}

// The consumer ends the mailbox after this post, as a loop thread does when its end is posted.
TEST(MailboxClose, MayBeCausedByTheLastPost) {
  for (int round = 0; round < 2'000; ++round) {
    auto mailbox = std::make_unique<Mailbox>(0);
    testing::Doorbell doorbell;
    std::thread consumer([&mailbox, &doorbell] {
      for (bool end = false; !end;) {
        if (mailbox->try_fall_asleep()) doorbell.wait();
        mailbox->wake_up();
        mailbox->begin_batch(mailbox->look());
        while (Slot* slot = mailbox->take()) {
          slot->run();
          end = true;
        }
      }
      mailbox->close();
      mailbox.reset();
    });
    EXPECT_TRUE(testing::post_and_ring(*mailbox, doorbell, [] {}));
    consumer.join();
  }
}

// The same for a thread that is being destroyed: it borrows a lane for its post.
TEST(MailboxClose, MayBeCausedByTheLastPostOfAThreadThatEnds) {
  struct PostsAtItsEnd {
    Mailbox* mailbox = nullptr;
    ~PostsAtItsEnd() {
      EXPECT_EQ(mailbox->post([] {}), PostResult::kAccepted);
    }
  };
  for (int round = 0; round < 2'000; ++round) {
    auto mailbox = std::make_unique<Mailbox>(0);
    std::thread poster([&mailbox] {
      static thread_local PostsAtItsEnd at_end;
      at_end.mailbox = mailbox.get();
      Mailbox other(
          0);  // from here on, the thread has lanes to give back before at_end is destroyed
      EXPECT_EQ(other.post([] {}), PostResult::kAccepted);
    });
    for (testing::Backoff backoff; run_batch(*mailbox) == 0;) backoff.step();
    mailbox.reset();
    poster.join();
  }
}

TEST(MailboxClose, LosesNothingAgainstConcurrentPosters) {
  constexpr int kPosters = 3;
  for (int round = 0; round < 100; ++round) {
    Mailbox mailbox(0);
    std::atomic<std::uint64_t> accepted{0};
    std::atomic<std::uint64_t> destroyed{0};
    std::vector<std::thread> posters;
    for (int i = 0; i < kPosters; ++i) {
      posters.emplace_back([&] {
        std::uint64_t mine = 0;
        const auto count = [&destroyed] { destroyed.fetch_add(1); };
        while (mailbox.post(AtDestruction(count)) != PostResult::kRefused) ++mine;
        accepted.fetch_add(mine);
      });
    }
    for (testing::Backoff backoff; mailbox.pending() < 100;) backoff.step();
    const std::uint64_t run = run_batch(mailbox);
    const std::uint64_t abandoned = mailbox.close();
    for (std::thread& poster : posters) poster.join();
    EXPECT_EQ(run + abandoned, accepted.load());
    EXPECT_EQ(destroyed.load(), accepted.load() + kPosters);
  }
}

}  // namespace
}  // namespace zmqloop
