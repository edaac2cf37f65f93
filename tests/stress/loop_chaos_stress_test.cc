// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Everything at once: posters, signal-safe posters, stoppers, restarts and closes; and loops that
// keep each other busy. In every case, each accepted post is run or reported as abandoned, once.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "tests/support/loop_fixture.h"
#include "tests/support/stress_counts.h"
#include <gtest/gtest.h>

#include "zmqloop/runtime/pool/loop_thread.h"

namespace zmqloop::testing {
namespace {

constexpr unsigned kSeconds = 600;

class LoopChaosStress : public ::testing::TestWithParam<PollerKind> {
 protected:
  static IOLoop::Options options(const char* name) {
    IOLoop::Options result;
    result.poller = GetParam();
    result.name = name;
    return result;
  }
  const LoopWatchdog watchdog_{kSeconds};
};
ZMQLOOP_ON_BOTH_POLLERS(LoopChaosStress);

// Counts the posts accepted, run and destroyed.
struct Books {
  std::atomic<std::uint64_t> accepted{0};
  std::atomic<std::uint64_t> run{0};
  std::atomic<std::uint64_t> destroyed{0};
};

class Entry {
 public:
  explicit Entry(Books& books) : books_(&books) {}
  Entry(Entry&& other) noexcept : books_(std::exchange(other.books_, nullptr)) {}
  Entry& operator=(Entry&&) = delete;
  ~Entry() {
    if (books_ != nullptr) ++books_->destroyed;
  }
  void operator()() { ++books_->run; }

 private:
  Books* books_;
};

TEST_P(LoopChaosStress, AccountsForEveryPostOfEverySession) {
  const std::uint64_t sessions = stress_count(1'000) + 10;
  for (std::uint64_t session = 0; session < sessions; ++session) {
    Books books;
    std::uint64_t posted = 0;
    std::uint64_t abandoned = 0;
    std::uint64_t callbacks_run = 0;
    {
      auto loop = std::make_unique<IOLoop>(options("chaos"));
      std::atomic<std::uint64_t> refused{0};
      std::vector<std::thread> others;
      for (unsigned i = 0; i < 3; ++i) {
        others.emplace_back([&, i] {
          std::minstd_rand random(static_cast<unsigned>(session * 3 + i + 1));
          while (!loop->is_closed()) {
            switch (random() % 4) {
              case 0:
                if (loop->add_callback_from_signal([b = &books] {
                      ++b->run;
                      ++b->destroyed;
                    })) {
                  ++books.accepted;
                }
                break;
              case 1:
                loop->stop();
                break;
              default:
                loop->add_callback(Entry(books)) ? ++books.accepted : ++refused;
            }
            if (loop->stats().pending > 1'000) std::this_thread::yield();
          }
        });
      }
      std::minstd_rand random(static_cast<unsigned>(session + 1));
      for (auto starts = random() % 20; starts > 0; --starts) loop->start();
      callbacks_run = loop->stats().callbacks_run;
      abandoned = loop->close().callbacks_abandoned;
      for (std::thread& other : others) other.join();
      posted = books.accepted;
      EXPECT_EQ(loop->stats().posts_refused, refused);
      EXPECT_EQ(loop->stats().callbacks_run, callbacks_run);
      books.destroyed -= refused;
    }
    ASSERT_EQ(books.run, callbacks_run) << "session " << session;
    ASSERT_EQ(posted, books.run + abandoned) << "session " << session;
    ASSERT_LE(books.destroyed, posted);
    ASSERT_GE(books.destroyed, books.run);
  }
}

// Each loop passes each ball on to the next loop, with only a few balls in all. So batches have one
// or two posts, and the loops fall asleep and wake up all the time.
TEST_P(LoopChaosStress, Rel_A10_PassesBallsAroundARingOfLoops) {
  constexpr std::size_t kLoops = 3;
  for (const std::uint64_t balls : {1u, 2u, 8u}) {
    const std::uint64_t hops = stress_count(600'000) * (balls == 1 ? 1 : 2);
    std::vector<std::unique_ptr<LoopThread>> loops;
    for (std::size_t i = 0; i < kLoops; ++i) {
      LoopThread::Options of_thread;
      of_thread.loop = options("ring");
      loops.push_back(std::make_unique<LoopThread>(of_thread));
    }
    for (const auto& each : loops) LoopWatchdog::watch(each->loop());
    std::atomic<std::uint64_t> landed{0};
    struct Ball {
      std::vector<std::unique_ptr<LoopThread>>* ring;
      std::atomic<std::uint64_t>* landed;
      std::uint64_t hops_left;
      std::size_t at;
      void operator()() {
        if (hops_left == 0) {
          ++*landed;
          return;
        }
        Ball next = *this;
        --next.hops_left;
        next.at = (at + 1) % kLoops;
        if (!(*ring)[next.at]->loop().in_loop_thread()) {
          (*ring)[next.at]->loop().add_callback(next);
        }
      }
    };
    for (std::uint64_t ball = 0; ball < balls; ++ball) {
      loops[ball % kLoops]->loop().add_callback(
          Ball{&loops, &landed, hops / balls, static_cast<std::size_t>(ball % kLoops)});
    }
    while (landed != balls) std::this_thread::yield();
    std::uint64_t run = 0;
    for (const auto& each : loops) run += each->loop().stats().callbacks_run;
    EXPECT_EQ(run, balls * (hops / balls + 1));
    for (const auto& each : loops) each->stop();
    for (const auto& each : loops) EXPECT_EQ(each->join(), CloseReport());
  }
}

// One ball goes to and fro between a thread and a loop, which sleeps in between: every hop is a
// wake-up that must not be lost.
TEST_P(LoopChaosStress, WakesASleepingLoopEveryTime) {
  IOLoop::Options without_spin = options("sleeper");
  without_spin.idle_spin = Duration::zero();
  LoopThread::Options of_thread;
  of_thread.loop = without_spin;
  LoopThread sleeper(of_thread);
  LoopWatchdog::watch(sleeper.loop());
  const std::uint64_t rounds = stress_count(200'000);
  std::atomic<std::uint64_t> run{0};
  for (std::uint64_t i = 0; i < rounds; ++i) {
    i % 3 == 0 ? sleeper.loop().add_callback_from_signal([&run] { ++run; })
               : sleeper.loop().add_callback([&run] { ++run; });
    while (run != i + 1) {
      if (i % 2 == 0) std::this_thread::yield();
    }
  }
  EXPECT_LE(sleeper.loop().stats().wakeups_sent, rounds);
  EXPECT_GT(sleeper.loop().stats().wakeups_sent, 0u);
}

}  // namespace
}  // namespace zmqloop::testing
