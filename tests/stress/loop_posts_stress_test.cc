// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Makes a great many posts: none is lost, run twice or run out of order.
//
// Every post carries its poster and its number. The loops check that each poster's numbers have no
// gap. So a lost, doubled or overtaken post shows at once, with its poster.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <pthread.h>
#include <signal.h>
#include <thread>
#include <vector>

#include "tests/support/loop_fixture.h"
#include "tests/support/stress_counts.h"
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_thread.h"

namespace zmqloop::testing {
namespace {

constexpr unsigned kSeconds = 600;

class LoopPostsStress : public ::testing::TestWithParam<PollerKind> {
 protected:
  static std::unique_ptr<LoopThread> make_thread() {
    LoopThread::Options of_thread;
    of_thread.name = "stressed";
    of_thread.loop.poller = GetParam();
    auto thread = std::make_unique<LoopThread>(of_thread);
    LoopWatchdog::watch(thread->loop());
    return thread;
  }
  const LoopWatchdog watchdog_{kSeconds};
};
ZMQLOOP_ON_BOTH_POLLERS(LoopPostsStress);

// The progress of each poster as one loop sees it. Used on the loop's thread, and on other threads
// once the loop is at rest.
template <std::size_t kPosters>
struct alignas(128) Seen {
  void take(std::size_t poster, std::uint64_t number) {
    if (number != next[poster]) ++wrong;
    next[poster] = number + 1;
  }
  std::array<std::uint64_t, kPosters> next{};
  std::uint64_t wrong = 0;
};

// Lets a loop catch up, so that memory does not run out.
void wait_if_far_behind(IOLoop& loop) {
  while (loop.stats().pending > 100'000) std::this_thread::yield();
}

TEST_P(LoopPostsStress, OfFourThreadsToTwoLoopsAllRunOnceInOrder) {
  constexpr std::size_t kPosters = 4;
  const std::uint64_t each = stress_count(100'000'000) / (kPosters * 2) / 2;  // for each poller
  std::array<Seen<kPosters>, 2> seen;
  const std::array<std::unique_ptr<LoopThread>, 2> loops = {make_thread(), make_thread()};
  std::atomic<std::uint64_t> refused{0};
  std::vector<std::thread> posters;
  for (std::size_t poster = 0; poster < kPosters; ++poster) {
    posters.emplace_back([&, poster] {
      for (std::uint64_t i = 0; i < each; ++i) {
        for (std::size_t loop = 0; loop < 2; ++loop) {
          Seen<kPosters>* const to = &seen[loop];
          if (!loops[loop]->loop().add_callback([to, poster, i] { to->take(poster, i); }))
            ++refused;
        }
        if (i % 1'024 != 0) continue;
        for (const auto& loop : loops) wait_if_far_behind(loop->loop());
      }
    });
  }
  for (std::thread& poster : posters) poster.join();
  for (std::size_t loop = 0; loop < 2; ++loop) {
    loops[loop]->loop().submit([] {}).get();
    loops[loop]->stop();
    EXPECT_EQ(loops[loop]->join(), CloseReport());
    EXPECT_EQ(seen[loop].wrong, 0u);
    for (std::size_t poster = 0; poster < kPosters; ++poster) {
      EXPECT_EQ(seen[loop].next[poster], each) << "loop " << loop << ", poster " << poster;
    }
    EXPECT_EQ(loops[loop]->loop().stats().callbacks_run, each * kPosters + 1);
  }
  EXPECT_EQ(refused, 0u);
}

// Two threads post in turns. Each post begins after the other thread's last post has returned,
// which fixes the order of all posts.
TEST_P(LoopPostsStress, OfTwoThreadsInTurnsRunInThatOrder) {
  const std::uint64_t rounds = stress_count(2'000'000);
  struct State {
    alignas(128) std::atomic<std::uint64_t> turn{0};
    alignas(128) std::uint64_t next = 0;
    std::uint64_t wrong = 0;
  } state;
  const std::unique_ptr<LoopThread> thread = make_thread();
  const auto post_every_second = [&](std::uint64_t parity) {
    for (std::uint64_t i = parity; i < rounds; i += 2) {
      for (int looks = 0; state.turn != i; ++looks) {
        if (looks > 100) std::this_thread::yield();
      }
      if (i % 1'024 == 0) wait_if_far_behind(thread->loop());
      thread->loop().add_callback([&state, i] {
        if (state.next != i) ++state.wrong;
        state.next = i + 1;
      });
      state.turn = i + 1;
    }
  };
  std::thread even(post_every_second, 0);
  std::thread odd(post_every_second, 1);
  even.join();
  odd.join();
  thread->loop().submit([] {}).get();
  EXPECT_EQ(state.wrong, 0u);
  EXPECT_EQ(state.next, rounds);
}

// Many short-lived threads post a little and end; their lanes go to the next threads.
TEST_P(LoopPostsStress, Rel_M4_OfThreadsThatComeAndGoAllRunOnceInOrder) {
  const std::uint64_t rounds = stress_count(20'000);
  std::uint64_t next = 0;
  std::uint64_t wrong = 0;
  const std::unique_ptr<LoopThread> thread = make_thread();
  for (std::uint64_t round = 0; round < rounds; ++round) {
    std::thread([&, round] {
      for (std::uint64_t i = 0; i < 5; ++i) {
        thread->loop().add_callback([&, number = round * 5 + i] { wrong += next++ != number; });
      }
    }).join();
  }
  thread->loop().submit([] {}).get();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(next, rounds * 5);
}

// ---- signals at posting threads ----

std::atomic<IOLoop*> target{nullptr};
std::atomic<std::uint64_t> accepted{0};
std::atomic<std::uint64_t> refused_by_signal{0};
std::atomic<std::uint64_t> handled{0};
std::atomic<std::uint64_t> ran_for_signal{0};

TEST_P(LoopPostsStress, InterruptedBySignalsThatPostTooAllRunOnceInOrder) {
  const std::uint64_t signals = stress_count(10'000);
  accepted = refused_by_signal = handled = ran_for_signal = 0;
  const std::unique_ptr<LoopThread> thread = make_thread();
  target = &thread->loop();
  struct sigaction action = {};
  struct sigaction before = {};
  action.sa_handler = [](int) {
    const bool done = target.load()->add_callback_from_signal([] { ++ran_for_signal; });
    ++(done ? accepted : refused_by_signal);
    ++handled;
  };
  sigaction(SIGUSR1, &action, &before);
  Seen<2> seen;
  std::array<std::atomic<std::uint64_t>, 2> posted{};
  std::atomic<bool> done{false};
  std::vector<std::thread> posters;
  for (std::size_t poster = 0; poster < 2; ++poster) {
    posters.emplace_back([&, poster] {
      for (std::uint64_t i = 0; !done; ++i) {
        if (i % 64 == 0) wait_if_far_behind(thread->loop());
        thread->loop().add_callback([&seen, poster, i] { seen.take(poster, i); });
        posted[poster] = i + 1;
      }
    });
  }
  for (std::uint64_t i = 0; i < signals; ++i) {
    pthread_kill(posters[i % 2].native_handle(), SIGUSR1);
    // Pending signals of one kind for one thread merge, so we keep at most one per thread.
    while (handled + 1 < i) std::this_thread::yield();
  }
  done = true;
  for (std::thread& poster : posters) poster.join();
  thread->loop().submit([] {}).get();
  thread->loop().submit([] {}).get();
  sigaction(SIGUSR1, &before, nullptr);
  EXPECT_EQ(accepted + refused_by_signal, handled);
  EXPECT_EQ(ran_for_signal, accepted);
  EXPECT_EQ(refused_by_signal, thread->loop().stats().signal_posts_refused);
  EXPECT_EQ(seen.wrong, 0u);
  for (std::size_t poster = 0; poster < 2; ++poster) EXPECT_EQ(seen.next[poster], posted[poster]);
}

}  // namespace
}  // namespace zmqloop::testing
