// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Makes and ends thousands of LoopThreads and LoopPools. Each has timers, periodic callbacks,
// tasks, posts from threads that outlive it, and futures that other threads wait for. A seed
// decides when and how each ends. In every case nothing is lost and nothing is left behind.
//
// The test prints its seed. ZMQLOOP_LIVES_SEED=seed repeats the decisions, but the threads may run
// in another order.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <pthread.h>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/loop_fixture.h"
#include "tests/support/process_facts.h"
#include "tests/support/stress_counts.h"
#include <gtest/gtest.h>

#include "zmqloop/runtime/callbacks/delayed_callback.h"
#include "zmqloop/runtime/callbacks/periodic_callback.h"
#include "zmqloop/runtime/pool/loop_pool.h"
#include "zmqloop/runtime/pool/loop_thread.h"
#include "zmqloop/runtime/tasks/task.h"

namespace zmqloop::testing {
namespace {

constexpr std::uint64_t kAllLives = 5'000;  // with each of the two pollers
#if defined(ZMQLOOP_LONG_STRESS)
constexpr std::uint64_t kLives = kAllLives;
#elif defined(ZMQLOOP_SANITIZED)
constexpr std::uint64_t kLives = kAllLives / 25;
#else
constexpr std::uint64_t kLives = stress_count(kAllLives);
#endif
constexpr std::uint64_t kLivesBetweenChecks = 100;

std::uint64_t seed_of_this_run() {
  const char* const given = std::getenv("ZMQLOOP_LIVES_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
}

// Counts the objects and posts of a life.
struct Books {
  std::atomic<std::uint64_t> made{0};
  std::atomic<std::uint64_t> destroyed{0};
  std::atomic<std::uint64_t> accepted{0};  // of posts
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> run{0};

  bool post(LoopCore& core);
};

// A move-only object that must be destroyed exactly once.
class Sentinel {
 public:
  explicit Sentinel(Books& books) : books_(&books) { ++books.made; }
  Sentinel(Sentinel&& other) noexcept : books_(std::exchange(other.books_, nullptr)) {}
  Sentinel& operator=(Sentinel&&) = delete;
  ~Sentinel() {
    if (books_ != nullptr) ++books_->destroyed;
  }

 private:
  Books* books_;
};

bool Books::post(LoopCore& core) {
  ++accepted;  // first, as the post may run at once
  if (core.post([sentinel = Sentinel(*this), this] { ++run; })) return true;
  --accepted;
  ++refused;
  return false;
}

enum class Way {
  kDestroy,
  kStopAndJoin,
  kStopInACallback,
  kExitInACallback,
  kThrowInACallback,
};
constexpr std::uint32_t kWays = 5;

// One LoopThread or LoopPool with its timers, tasks and futures.
class Life {
 public:
  Life(std::uint64_t seed, PollerKind poller) : random_(seed), poller_(poller) {}

  void live() {
    begin();
    std::vector<std::thread> outsiders;
    for (int i = 0; i < 2; ++i) {
      outsiders.emplace_back([this, seed = random_()] { be_outside(seed); });
    }
    std::thread waiter([this] { wait_for_futures(); });
    wait_for_the_moment();
    end();
    owner_is_gone_ = true;
    for (std::thread& outsider : outsiders) outsider.join();
    waiter.join();
    promises_.clear();  // also destroys the tasks that wait for one
  }

  void expect_nothing_lost() {
    EXPECT_EQ(books_.made, books_.destroyed) << "each was destroyed once";
    for (const Future<void>& future : futures_) EXPECT_TRUE(future.is_ready());
    if (!report_) return;
    const std::uint64_t left = books_.accepted - books_.run;
    if (posts_alone_) {
      EXPECT_EQ(left, report_->callbacks_abandoned);
      EXPECT_EQ(report_->timers_abandoned, 0u);
    } else {
      EXPECT_LE(left, report_->callbacks_abandoned) << "which counts the library's own as well";
    }
  }

 private:
  std::uint32_t choose(std::uint32_t count) { return static_cast<std::uint32_t>(random_() % count); }
  bool one_in(std::uint32_t count) { return choose(count) == 0; }
  std::size_t loops() const { return cores_.size(); }
  IOLoop& loop(std::size_t i) { return thread_ != nullptr ? thread_->loop() : pool_->loop(i); }

  // ---- beginning ----

  void begin() {
    posts_alone_ = one_in(4);
    LoopOptions options;
    options.poller = poller_;
    if (one_in(2)) options.idle_spin = Duration::zero();
    if (one_in(8)) options.blocking_threshold = 1h;
    if (!posts_alone_) {
      for (std::uint32_t i = choose(4); i > 0; --i) promises_.emplace_back();
      for (const Promise<void>& promise : promises_) gates_.push_back(promise.get_future());
    }
    const auto at_start = [this, sentinel = std::make_shared<Sentinel>(books_)](std::size_t) {
      if (posts_alone_) return;
      IOLoop::current().add_timeout(24h, [kept = Sentinel(books_)] {});
      spawn(IOLoop::current(), [kept = Sentinel(books_)]() -> Task<void> { co_await sleep_for(24h); });
    };
    const auto at_end = [this, sentinel = std::make_shared<Sentinel>(books_)] {
      IOLoop::current();  // still exists, and is closed
    };
    if (one_in(2)) {
      LoopThread::Options of_thread;
      of_thread.loop = options;
      of_thread.on_thread_start = [at_start] { at_start(0); };
      of_thread.on_thread_end = at_end;
      thread_ = std::make_unique<LoopThread>(std::move(of_thread));
      cores_.push_back(thread_->loop().core());
    } else {
      LoopPool::Options of_pool;
      of_pool.loops = 2;
      of_pool.loop = options;
      of_pool.on_thread_start = at_start;
      of_pool.on_thread_end = [at_end](std::size_t) { at_end(); };
      pool_ = std::make_unique<LoopPool>(std::move(of_pool));
      for (std::size_t i = 0; i < 2; ++i) cores_.push_back(pool_->loop(i).core());
    }
    if (posts_alone_) return;
    loop(0).submit([this] { start_timers(); }).get();
    for (std::uint32_t i = choose(4); i > 0; --i) {
      const std::size_t at = choose(static_cast<std::uint32_t>(loops()));
      futures_.push_back(spawn(loop(at), visit(Sentinel(books_), choose(4), choose(2))));
      futures_.push_back(loop(at).submit([sentinel = Sentinel(books_)] {}));
    }
    for (const Future<void>& gate : gates_) {
      loop(0).add_future(gate, [sentinel = Sentinel(books_)](const Future<void>&) {});
    }
  }

  // Like IOLoop::schedule(), for a loop that may be gone.
  Schedule schedule_on(std::size_t i) const { return {cores_[i]}; }

  // A task that sleeps, waits for outsiders, and moves between the loops of the pool.
  Task<void> visit(Sentinel sentinel, std::uint32_t hops, std::uint32_t where) {
    const Sentinel own = std::move(sentinel);
    for (std::uint32_t i = 0; i < hops; ++i) {
      co_await schedule_on((where + i) % loops());
      co_await sleep_for(1us);
      if (!gates_.empty()) co_await gates_[i % gates_.size()];
    }
  }

  // Runs on loop 0.
  void start_timers() {
    struct Plain {
      Sentinel sentinel;
      void operator()() const {}
    };
    struct Asynchronous {
      Life* life;
      Sentinel sentinel;
      std::uint32_t hops;
      Task<void> operator()() const { return life->visit(Sentinel(life->books_), hops, hops); }
    };
    struct Waiting {
      Life* life;
      Sentinel sentinel;
      Future<void> operator()() const {
        if (!life->gates_.empty()) return life->gates_.front();
        Promise<void> done;
        done.set_value();
        return done.get_future();
      }
    };
    const auto add = [this](auto made) {
      made->start();
      timers_.push_back(std::move(made));
    };
    const auto sentinel = [this] { return Sentinel(books_); };
    if (one_in(2)) add(std::make_shared<PeriodicCallback>(Plain{sentinel()}, 1us));
    if (one_in(2)) add(std::make_shared<PeriodicCallback>(Asynchronous{this, sentinel(), 1}, 1us));
    if (one_in(4)) add(std::make_shared<PeriodicCallback>(Waiting{this, sentinel()}, 1us));
    if (one_in(2)) add(std::make_shared<DelayedCallback>(Plain{sentinel()}, 10us));
    if (one_in(2)) add(std::make_shared<DelayedCallback>(Asynchronous{this, sentinel(), 2}, 1us));
    if (one_in(4)) add(std::make_shared<DelayedCallback>(Plain{sentinel()}, 24h));
  }

  // ---- other threads ----

  // Posts, and completes the futures that tasks wait for, even after the loop is gone.
  void be_outside(std::uint64_t seed) {
    std::minstd_rand random(static_cast<std::minstd_rand::result_type>(seed));
    while (!owner_is_gone_) {
      if (!books_.post(*cores_[random() % loops()])) std::this_thread::yield();
      if (random() % 8 == 0) open_a_gate();
      if (random() % 4 == 0) std::this_thread::yield();
    }
    EXPECT_FALSE(books_.post(*cores_.front()));
    while (next_gate_ < gates_.size()) open_a_gate();
  }
  void open_a_gate() {
    const std::size_t next = next_gate_++;
    if (next < gates_.size()) promises_[next].try_set_value();
  }

  // Blocks until each future has its result, or reports that its loop has closed.
  void wait_for_futures() const {
    for (const Future<void>& future : futures_) {
      try {
        future.get();
      } catch (const LoopClosedError&) {
      }
    }
  }

  void wait_for_the_moment() {
    const std::uint32_t run = choose(40);
    while (books_.run < run) std::this_thread::yield();
    for (std::uint32_t i = choose(20); i > 0; --i) std::this_thread::yield();
  }

  // ---- end ----

  void end() {
    const auto way = static_cast<Way>(choose(kWays));
    if (way == Way::kStopInACallback) {
      loop(0).add_callback([thread = thread_.get(), pool = pool_.get()] {
        thread != nullptr ? thread->stop() : pool->stop();
      });
    } else if (way == Way::kExitInACallback) {
      loop(choose(static_cast<std::uint32_t>(loops()))).add_callback([] { ::pthread_exit(nullptr); });
    } else if (way == Way::kThrowInACallback && one_in(16)) {  // each is written to standard error
      loop(0).add_callback([] { throw std::runtime_error("thrown on purpose"); });
    }
    if (way == Way::kStopAndJoin && (posts_alone_ || one_in(2))) {
      thread_ != nullptr ? thread_->stop() : pool_->stop();
      report_ = thread_ != nullptr ? thread_->join() : pool_->join();
    }
    const auto destroy_owner = [this] {
      thread_.reset();
      pool_.reset();
    };
    const auto destroy_timers = [this] {
      for (std::shared_ptr<void>& timer : timers_) timer.reset();
    };
    switch (choose(5)) {
      case 0:  // the timers first, here
        destroy_timers();
        destroy_owner();
        break;
      case 1:  // the owner first, here
        destroy_owner();
        destroy_timers();
        break;
      case 2:  // on another thread
        std::thread([&] {
          destroy_owner();
          destroy_timers();
        }).join();
        break;
      case 3: {  // both at once
        std::thread other(destroy_timers);
        destroy_owner();
        other.join();
        break;
      }
      default: {
        std::thread other(destroy_owner);
        destroy_timers();
        other.join();
      }
    }
  }

  std::minstd_rand random_;
  const PollerKind poller_;
  bool posts_alone_ = false;
  Books books_;

  // Written before any loop or outsider uses them.
  std::vector<Promise<void>> promises_;
  std::vector<Future<void>> gates_;
  std::vector<std::shared_ptr<LoopCore>> cores_;  // shared, as futures share them
  std::vector<std::shared_ptr<void>> timers_;
  std::vector<Future<void>> futures_;

  std::atomic<std::size_t> next_gate_{0};
  std::atomic<bool> owner_is_gone_{false};
  std::unique_ptr<LoopThread> thread_;
  std::unique_ptr<LoopPool> pool_;
  std::optional<CloseReport> report_;
};

class LivesStress : public ::testing::TestWithParam<PollerKind> {};
ZMQLOOP_ON_BOTH_POLLERS(LivesStress);

// Failures: N11
TEST_P(LivesStress, LoseNothingAndLeaveNothingHoweverAndWheneverTheyEnd) {
  const std::uint64_t seed = seed_of_this_run();
  std::printf("%llu lives, ZMQLOOP_LIVES_SEED=%llu\n", static_cast<unsigned long long>(kLives),
              static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  std::mt19937_64 seeds(seed);
  { LoopPool warm({.loops = 2, .loop = {.poller = GetParam(), .blocking_threshold = 1h}}); }
  const std::size_t descriptors = open_descriptors();
  const std::size_t threads = living_threads();
  for (std::uint64_t lived = 0; lived < kLives;) {
    const LoopWatchdog watchdog;
    for (std::uint64_t end = std::min(kLives, lived + kLivesBetweenChecks); lived < end; ++lived) {
      Life life(seeds(), GetParam());
      life.live();
      life.expect_nothing_lost();
      ASSERT_FALSE(HasFailure()) << "life " << lived << " of ZMQLOOP_LIVES_SEED=" << seed;
    }
    ASSERT_TRUE(eventually([&] { return open_descriptors() <= descriptors; })) << open_descriptors();
    ASSERT_TRUE(eventually([&] { return living_threads() <= threads; })) << living_threads();
  }
}

}  // namespace
}  // namespace zmqloop::testing
