// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/doorbell_sockets.h"

#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/process_facts.h"
#include "tests/support/refused_calls.h"
#include "tests/support/zmq_fixture.h"

#include "zmqloop/poller/poller.h"

namespace zmqloop::testing {
namespace {

bool is_rung(const DoorbellSockets& pair) {
  const std::unique_ptr<Poller> poller = make_poller(PollerKind::kEpoll);
  poller->add(pair.fd(), Events::kRead, kInternalToken);
  return any(events_of(poll_now(*poller), kInternalToken));
}

TEST(DoorbellSockets, RingUntilTheyAreDrained) {
  DoorbellSockets pair = DoorbellSockets::acquire();
  EXPECT_FALSE(is_rung(pair));
  EXPECT_TRUE(pair.ring());
  EXPECT_TRUE(is_rung(pair));
  pair.drain();
  EXPECT_FALSE(is_rung(pair));
  DoorbellSockets::retire(std::move(pair));
}

TEST(DoorbellSockets, OfLoopsThatHaveGoneServeLoopsThatCome) {
  DoorbellSockets first = DoorbellSockets::acquire();
  const int descriptor = first.fd();
  DoorbellSockets::retire(std::move(first));
  DoorbellSockets second = DoorbellSockets::acquire();
  EXPECT_EQ(second.fd(), descriptor);
  DoorbellSockets::retire(std::move(second));
}

TEST(DoorbellSockets, AreSilentWhenTheyComeBackThoughTheyWereRung) {
  for (int round = 0; round < 100; ++round) {
    DoorbellSockets pair = DoorbellSockets::acquire();
    ASSERT_FALSE(is_rung(pair));
    for (int ring = 0; ring < round; ++ring) pair.ring();
    DoorbellSockets::retire(std::move(pair));
  }
  DoorbellSockets pair = DoorbellSockets::acquire();
  EXPECT_FALSE(is_rung(pair));
  pair.ring();
  EXPECT_TRUE(is_rung(pair));
  DoorbellSockets::retire(std::move(pair));
}

TEST(DoorbellSockets, AreKeptUpToALimit) {
  constexpr std::size_t kMany = DoorbellSockets::kMostSpares + 20;
  std::vector<DoorbellSockets> pairs;
  for (std::size_t i = 0; i < kMany; ++i) pairs.push_back(DoorbellSockets::acquire());
  const std::size_t all = open_descriptors();
  for (DoorbellSockets& pair : pairs) DoorbellSockets::retire(std::move(pair));
  // libzmq closes the others some time later.
  EXPECT_TRUE(eventually([&] { return open_descriptors() <= all - 2 * 20; }));
}

// libzmq processes a socket's commands before it binds or connects it, and gives up if a signal
// comes meanwhile.
TEST(DoorbellSockets, AreMadeWhateverASignalInterrupts) {
  if (!kCanRefuseCalls) GTEST_SKIP() << "the sanitizer has a poll of its own";
  constexpr int kMorePollsThanThatTakes = 20;
  std::vector<DoorbellSockets> spares;
  for (std::size_t i = 0; i < DoorbellSockets::kMostSpares; ++i) {
    spares.push_back(DoorbellSockets::acquire());
  }
  for (int nth = 1; nth <= kMorePollsThanThatTakes; ++nth) {
    refused_calls.poll_nth = nth;
    ASSERT_NO_THROW(spares.push_back(DoorbellSockets::acquire())) << "poll " << nth;
    ASSERT_TRUE(spares.back().ring());
    ASSERT_TRUE(is_rung(spares.back()));
  }
  EXPECT_GT(refused_calls.poll_nth, 0) << "it takes more";
  refused_calls.poll_nth = 0;
}

TEST(DoorbellSockets, GoFromThreadToThread) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 500;
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&wrong] {
      for (int round = 0; round < kRounds; ++round) {
        DoorbellSockets pair = DoorbellSockets::acquire();
        if (is_rung(pair) || !pair.ring() || !is_rung(pair)) ++wrong;
        DoorbellSockets::retire(std::move(pair));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

#ifndef __SANITIZE_THREAD__  // which forbids threads in the child of a process that has some
TEST(DoorbellSockets, OfTheParentAreNotUsedByAForkedChild) {
  DoorbellSockets::retire(DoorbellSockets::acquire());
  DoorbellSockets parents = DoorbellSockets::acquire();
  const int descriptor = parents.fd();
  DoorbellSockets::retire(std::move(parents));
  EXPECT_EQ(exit_code_of_child([descriptor] {
              DoorbellSockets own = DoorbellSockets::acquire();
              if (own.fd() == descriptor) return 1;
              if (!own.ring() || !is_rung(own)) return 2;
              DoorbellSockets::retire(std::move(own));
              return 0;
            }),
            0);
}
#endif

}  // namespace
}  // namespace zmqloop::testing
