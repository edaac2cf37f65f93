// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Tests that the dispatch workloads run with this library, and that they detect a faulty library.

#include "benchmarks/contender.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <type_traits>

#include <gtest/gtest.h>

namespace zmqloop::bench {
namespace {

// Fake loops that run a callable inside post(), and get the 1,000th post wrong.
enum class Fault { kNone, kLost, kTwice, kRefused };

template <Fault fault>
class FaultyLoop {
 public:
  explicit FaultyLoop(const LoopSetup& /*setup*/) {}
  template <class F>
  bool post(const F& f) {
    const bool now = ++posts_ == 1000;
    if (now && fault == Fault::kRefused) return false;
    if (now && fault == Fault::kLost) return true;
    f();
    if (now && fault == Fault::kTwice) f();
    return true;
  }
  void finish() {}
  void join() {}

 private:
  std::atomic<std::uint64_t> posts_{0};
};

// Runs each pair of posts in the wrong order.
class SwappingLoop : public FaultyLoop<Fault::kNone> {
 public:
  using FaultyLoop::FaultyLoop;
  template <class F>
  bool post(const F& f) {
    if (!held_) {
      held_ = [f] { f(); };
      return true;
    }
    f();
    (*held_)();
    held_.reset();
    return true;
  }

 private:
  std::optional<std::function<void()>> held_;
};

template <class Loop>
Tally flood(const WorkloadOptions& options = {}, const FloodShape& shape = {}) {
  const StartedWorkload workload = make_contender<Loop>("").flood(options, shape);
  while (workload->posts_run() < 2000) {
    // After a refusal the producer stops posting.
    if (std::is_same_v<Loop, FaultyLoop<Fault::kRefused>> && workload->posts_run() == 999) break;
    std::this_thread::yield();
  }
  return workload->finish();
}

TEST(Flood, AgreesWithALoopThatRunsEveryPostOnceAndInOrder) {
  const Tally tally = flood<FaultyLoop<Fault::kNone>>();
  EXPECT_GE(tally.run, 2000U);
  EXPECT_TRUE(tally.agrees());
}

TEST(Flood, NoticesALostPost) { EXPECT_FALSE(flood<FaultyLoop<Fault::kLost>>().agrees()); }

TEST(Flood, NoticesAPostThatIsRunTwice) {
  EXPECT_FALSE(flood<FaultyLoop<Fault::kTwice>>().agrees());
}

TEST(Flood, NoticesARefusedPost) {
  const Tally tally = flood<FaultyLoop<Fault::kRefused>>();
  EXPECT_EQ(tally.refused, 1U);
  EXPECT_FALSE(tally.agrees());
}

TEST(Flood, NoticesPostsOutOfOrder) { EXPECT_GT(flood<SwappingLoop>().corrupt, 0U); }

TEST(Fairness, IsTheFewestPostsAsAPartOfTheAverage) {
  EXPECT_DOUBLE_EQ(fairness_among({4, 4, 4}), 1);
  EXPECT_DOUBLE_EQ(fairness_among({1, 3}), 0.5);
  EXPECT_DOUBLE_EQ(fairness_among({0, 8}), 0);
}

// ---- this library ----

const Contender& zmqloop() {
  static const Contender contender = contenders_in("W1").front();
  return contender;
}

TEST(Contenders, BeginWithThisLibraryAndNameNoRival) {
  ASSERT_EQ(contenders_in("W1").size(), 1U);
  EXPECT_EQ(zmqloop().name, "zmqloop");
}

TEST(Contenders, RunEveryPostOfProducersThatPostToAllLoops) {
  const StartedWorkload workload =
      zmqloop().flood({.loops = 3, .producers = 4}, {.outstanding = 4096, .to_all_loops = true});
  while (workload->posts_run() < 20'000) std::this_thread::yield();
  const Tally tally = workload->finish();
  EXPECT_TRUE(tally.agrees()) << tally.accepted << ' ' << tally.run << ' ' << tally.corrupt;
  EXPECT_LE(tally.fairness, 1);
}

TEST(Contenders, RunACircuit) {
  const StartedWorkload workload =
      zmqloop().circuit({.loops = 2}, {.tokens = 6, .sample_every = 2});
  while (workload->posts_run() < 2000) std::this_thread::yield();
  EXPECT_TRUE(workload->finish().agrees());
}

TEST(Contenders, MakeLoopsAndEndThem) {
  zmqloop().start_and_join();
  const std::shared_ptr<void> loops = zmqloop().make_idle_loops(3);
  EXPECT_NE(loops, nullptr);
  zmqloop().post_from_short_threads(64);
  static_cast<void>(zmqloop().bytes_per_pair(2, 2));
}

TEST(ShortThreads, NoticeALostPost) {
  EXPECT_NO_THROW(post_from_short_threads<FaultyLoop<Fault::kNone>>(1010));
  EXPECT_THROW(post_from_short_threads<FaultyLoop<Fault::kLost>>(1010), std::runtime_error);
}

}  // namespace
}  // namespace zmqloop::bench
