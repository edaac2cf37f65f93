// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/waker.h"

#include <atomic>
#include <memory>
#include <sys/resource.h>
#include <system_error>
#include <thread>
#include <vector>

#include "tests/support/zmq_fixture.h"

#include "zmqloop/poller/poller.h"

namespace zmqloop::testing {
namespace {

class WakerInAPoller : public ::testing::TestWithParam<PollerKind> {
 protected:
  WakerInAPoller() { poller_->add(waker_.fd(), Events::kRead, kInternalToken); }

  bool is_rung() { return any(events_of(poll_now(*poller_), kInternalToken)); }

  Waker waker_;
  std::unique_ptr<Poller> poller_ = make_poller(GetParam());
};
INSTANTIATE_TEST_SUITE_P(Kinds, WakerInAPoller,
                         ::testing::Values(PollerKind::kEpoll, PollerKind::kZmqPoll),
                         [](const auto& kind) {
                           return kind.param == PollerKind::kEpoll ? "Epoll" : "ZmqPoll";
                         });

TEST_P(WakerInAPoller, IsSilentUntilRungAndAfterItsDrain) {
  EXPECT_FALSE(is_rung());
  for (int round = 0; round < 3; ++round) {
    waker_.wake();
    EXPECT_TRUE(is_rung());
    EXPECT_TRUE(is_rung()) << "nobody drained it";
    waker_.drain();
    EXPECT_FALSE(is_rung());
  }
}

TEST_P(WakerInAPoller, IsHeardBeforeTheFirstDrain) {
  waker_.wake();
  EXPECT_TRUE(is_rung());
}

TEST_P(WakerInAPoller, MakesOneOfManyRings) {
  constexpr std::uint64_t kRings = 10'000;
  for (std::uint64_t i = 0; i < kRings; ++i) waker_.wake();
  EXPECT_EQ(waker_.rings(), kRings);
  EXPECT_TRUE(is_rung());
  waker_.drain();
  EXPECT_FALSE(is_rung());
}

TEST_P(WakerInAPoller, Rel_A7_ToleratesADrainWithoutARing) {
  waker_.drain();
  waker_.wake();
  waker_.drain();
  waker_.drain();
  EXPECT_FALSE(is_rung());
  waker_.wake();
  EXPECT_TRUE(is_rung());
}

// A loop builds on this promise: the loop sees a thread that publishes and then rings, no matter
// how the ring falls between the loop's drain, its look and its sleep. A lost ring shows as a wait
// that never ends.
TEST_P(WakerInAPoller, Rel_A3_LosesNoRingBetweenDrainAndSleep) {
  constexpr int kRounds = 3'000;
  std::atomic<int> published{0};
  std::atomic<int> seen{0};
  std::thread ringer([&] {
    for (int i = 1; i <= kRounds; ++i) {
      published = i;
      waker_.wake();
      while (seen != i) std::this_thread::yield();
    }
  });
  while (seen != kRounds) {
    if (wait_for_any(*poller_).empty()) break;
    waker_.drain();
    seen = published.load();
  }
  EXPECT_EQ(seen, kRounds);
  seen = kRounds;  // frees the ringer if the test has failed
  ringer.join();
}

TEST_P(WakerInAPoller, HearsManyThreadsAtOnce) {
  constexpr int kThreads = 8;
  constexpr int kRings = 2'000;
  std::atomic<int> published{0};
  std::vector<std::thread> ringers;
  for (int i = 0; i < kThreads; ++i) {
    ringers.emplace_back([&] {
      for (int ring = 0; ring < kRings; ++ring) {
        ++published;
        waker_.wake();
      }
    });
  }
  int seen = 0;
  while (seen != kThreads * kRings) {
    if (wait_for_any(*poller_).empty()) break;
    waker_.drain();
    seen = published;
  }
  for (std::thread& ringer : ringers) ringer.join();
  EXPECT_EQ(seen, kThreads * kRings);
  EXPECT_EQ(waker_.rings(), static_cast<std::uint64_t>(kThreads * kRings));
}

TEST(Waker, Rel_B3_MayBeRungWhileAndAfterItIsClosed) {
  for (int round = 0; round < 50; ++round) {
    Waker waker;
    std::atomic<int> running{0};
    std::atomic<bool> stop{false};
    std::vector<std::thread> ringers;
    for (int i = 0; i < 2; ++i) {
      ringers.emplace_back([&] {
        ++running;
        while (!stop) waker.wake();
      });
    }
    while (running != 2) std::this_thread::yield();
    waker.close();
    const std::uint64_t rings = waker.rings();
    waker.wake();
    waker.drain();
    EXPECT_EQ(waker.rings(), rings) << "it rang after close() had returned";
    EXPECT_EQ(waker.fd(), -1);
    waker.close();
    stop = true;
    for (std::thread& ringer : ringers) ringer.join();
  }
}

TEST(Waker, IsLeftAloneInAForkedChild) {
  auto waker = std::make_unique<Waker>();
  const std::unique_ptr<Poller> poller = make_poller(PollerKind::kEpoll);
  poller->add(waker->fd(), Events::kRead, kInternalToken);
  waker->wake();
  EXPECT_EQ(exit_code_of_child([&] {
              waker->wake();
              waker->drain();
              if (waker->rings() != 1) return 1;
              waker->close();
              waker.reset();
              return 0;
            }),
            0);
  EXPECT_EQ(events_of(poll_now(*poller), kInternalToken), Events::kRead) << "the child drained it";
  waker->drain();
  EXPECT_TRUE(poll_now(*poller).empty());
  waker->wake();
  EXPECT_EQ(events_of(poll_now(*poller), kInternalToken), Events::kRead);
}

// libzmq gives descriptors back some time after zmq_close.
TEST(Waker, MayBeMadeInGreatNumbersRightAfterOthersWereDestroyed) {
  EXPECT_EQ(exit_code_of_child([] {
              const rlimit few = {256, 256};
              if (::setrlimit(RLIMIT_NOFILE, &few) != 0) return 1;
              std::vector<std::unique_ptr<Waker>> wakers;
              try {
                for (;;) wakers.push_back(std::make_unique<Waker>());
              } catch (const std::system_error&) {
              }
              const std::size_t most = wakers.size();
              if (most < 20) return 2;
              for (int round = 0; round < 20; ++round) {
                wakers.clear();
                while (wakers.size() < most) wakers.push_back(std::make_unique<Waker>());
              }
              return 0;
            }),
            0);
}

// A thread that held the waker's lock at the fork does not exist in the child.
TEST(Waker, DoesNotWaitForALockThatForkLeftBehind) {
  Waker waker;
  std::atomic<bool> stop{false};
  std::thread ringer([&] {
    while (!stop) waker.wake();
  });
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(exit_code_of_child([&] {
                waker.wake();
                waker.close();
                return 0;
              }),
              0);
    waker.drain();
  }
  stop = true;
  ringer.join();
}

#ifndef __SANITIZE_THREAD__  // which forbids threads in the child of a process that has some
TEST(Waker, WorksWhenMadeAfreshInAForkedChild) {
  Waker parents;
  EXPECT_EQ(exit_code_of_child([] {
              Waker waker;
              const std::unique_ptr<Poller> poller = make_poller(PollerKind::kEpoll);
              poller->add(waker.fd(), Events::kRead, kInternalToken);
              if (!poll_now(*poller).empty()) return 1;
              waker.wake();
              return poll_now(*poller).size() == 1 ? 0 : 2;
            }),
            0);
}
#endif

TEST(Waker, Rel_G8_ManyLiveBesideEachOther) {
  constexpr std::size_t kCount = 700;  // more sockets than libzmq's default of 1,023
  std::vector<std::unique_ptr<Waker>> wakers;
  const std::unique_ptr<Poller> poller = make_poller(PollerKind::kEpoll);
  for (std::size_t i = 0; i < kCount; ++i) {
    wakers.push_back(std::make_unique<Waker>());
    poller->add(wakers.back()->fd(), Events::kRead, i);
  }
  wakers[kCount / 2]->wake();
  const std::vector<Ready> ready = poll_now(*poller);
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_EQ(ready[0].token, kCount / 2);
  for (const auto& waker : wakers) poller->remove(waker->fd());
}

}  // namespace
}  // namespace zmqloop::testing
