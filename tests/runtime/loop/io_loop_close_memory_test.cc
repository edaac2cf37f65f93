// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Closing a loop when there is no memory: everything is destroyed once, and reported.

#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <memory>
#include <new>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/counted_memory.h"
#include "tests/support/loop_fixture.h"
#include "tests/support/zmq_fixture.h"
#include <gtest/gtest.h>
#include <zmq.hpp>

#include "zmqloop/runtime/pool/loop_thread.h"
#include "zmqloop/runtime/tasks/task.h"

namespace zmqloop::testing {
namespace {

// Counts the destructions of each of many objects.
class Lives {
 public:
  class One {
   public:
    explicit One(std::atomic<int>& ends) : ends_(&ends) {}
    One(One&& other) noexcept : ends_(std::exchange(other.ends_, nullptr)) {}
    One& operator=(One&&) = delete;
    ~One() {
      if (ends_ != nullptr) ++*ends_;
    }

   private:
    std::atomic<int>* ends_;
  };

  One begin() { return One(ends_.at(begun_++)); }
  std::size_t begun() const { return begun_; }
  // Returns the number of objects not destroyed exactly once.
  std::size_t wrong() const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < begun_; ++i) count += ends_[i] != 1;
    return count;
  }

 private:
  std::array<std::atomic<int>, 1'000> ends_{};
  std::size_t begun_ = 0;
};

// More lanes than a mailbox can merge without allocating.
constexpr int kThreads = 40;

class IOLoopCloseMemory : public OnBothPollers {
 protected:
  // A loop with undone work of each kind.
  struct Full {
    explicit Full(IOLoop::Options options, int own_posts) : loop(std::in_place, options) {
      for (int i = 0; i < own_posts; ++i) post();
      post_from_many_threads();
      for (int i = 0; i < 5; ++i) {
        EXPECT_TRUE(loop->add_callback_from_signal([] { ADD_FAILURE() << "ran"; }));
        ++expected.callbacks_abandoned;
      }
      for (int i = 0; i < 20; ++i) {
        loop->add_timeout(1h, [life = lives.begin()] {});
        ++expected.timers_abandoned;
      }
      for (OwnedFd& event : events) {
        loop->add_handler(
            event.get(), [life = lives.begin()] {}, Events::kRead);
        ++expected.handlers_removed;
      }
      loop->add_handler(
          socket, [life = lives.begin()] {}, Events::kRead);
      ++expected.handlers_removed;
      for (SignalCallback& each : prepared) {
        each = loop->prepare_signal_callback([life = lives.begin()] {});
      }
      for (std::size_t i = 0; i < 2; ++i, ++expected.callbacks_abandoned) prepared[i].raise();
      for (const int signum : {SIGUSR1, SIGUSR2}) {
        loop->add_signal_handler(signum, [life = lives.begin()] {});
      }
      std::raise(SIGUSR1);
      ++expected.callbacks_abandoned;
      auto life = std::make_shared<Lives::One>(lives.begin());
      loop->set_blocking_signal_threshold(1h, [life](const StallReport&) {});
    }

    void post() {
      loop->add_callback([life = lives.begin()] { ADD_FAILURE() << "ran"; });
      loop->add_callback([life = lives.begin(), large = std::array<char, 200>()] {
        ADD_FAILURE() << "ran" << large[0];
      });
      expected.callbacks_abandoned += 2;
    }
    // Each thread has its own lane, as none ends before all have posted.
    void post_from_many_threads() {
      std::vector<std::thread> threads;
      std::latch all_have_posted(kThreads);
      std::atomic<int> turn{0};
      for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&, i] {
          while (turn != i) std::this_thread::yield();  // Lives has one user at a time
          for (int j = 0; j < 3; ++j) post();
          ++turn;
          all_have_posted.arrive_and_wait();
        });
      }
      for (std::thread& thread : threads) thread.join();
    }

    Lives lives;
    CloseReport expected;
    zmq::context_t context;
    zmq::socket_t socket{context, zmq::socket_type::pair};
    std::array<OwnedFd, 5> events = {make_event(), make_event(), make_event(), make_event(),
                                     make_event()};
    std::optional<IOLoop> loop;
    std::array<SignalCallback, 3> prepared;
  };
};
ZMQLOOP_ON_BOTH_POLLERS(IOLoopCloseMemory);

// Failures: D14
TEST_P(IOLoopCloseMemory, ThatIsMissingFromAnyMomentOnLosesNothing) {
  bool needed_more = true;
  for (int enough_for = 0; needed_more && enough_for < 100; ++enough_for) {
    for (const bool all_fds : {false, true}) {
      Full full(options(), 1);
      CloseReport report;
      allocations_left = enough_for;
      try {
        report = full.loop->close(all_fds);
      } catch (const std::bad_alloc&) {
        allocations_left = -1;
        FAIL() << "with memory for " << enough_for << " allocations";
      }
      for (SignalCallback& each : full.prepared) each = SignalCallback();
      full.loop.reset();
      needed_more = allocations_left == 0;
      allocations_left = -1;
      EXPECT_EQ(report, full.expected);
      EXPECT_EQ(full.lives.wrong(), 0u) << "of " << full.lives.begun() << ", memory for "
                                        << enough_for << " allocations, all_fds " << all_fds;
      if (all_fds) {
        for (OwnedFd& event : full.events) event.release();
      }
    }
  }
}

TEST_P(IOLoopCloseMemory, ThatIsMissingIsNotMissedByTheDestructorEither) {
  Full full(options(), 1);
  allocations_left = 0;
  full.loop.reset();
  for (SignalCallback& each : full.prepared) each = SignalCallback();
  allocations_left = -1;
  EXPECT_EQ(full.lives.wrong(), 0u);
}

// A lane allocates at some of its thread's posts, even at a refused one.
TEST_P(IOLoopCloseMemory, ThatIsMissingLosesNothingHoweverFullTheLaneOfThisThreadIs) {
  for (int own_posts = 0; own_posts < 30; ++own_posts) {
    Lives lives;
    std::optional<IOLoop> loop(std::in_place, options());
    for (int i = 0; i < own_posts; ++i) loop->add_callback([life = lives.begin()] {});
    SignalCallback prepared = loop->prepare_signal_callback([life = lives.begin()] {});
    prepared.raise();
    loop->add_signal_handler(SIGUSR1, [life = lives.begin()] {});
    std::raise(SIGUSR1);
    allocations_left = 0;
    const CloseReport report = loop->close();
    prepared = SignalCallback();
    loop.reset();
    allocations_left = -1;
    EXPECT_EQ(report.callbacks_abandoned, static_cast<std::uint64_t>(own_posts) + 2);
    EXPECT_EQ(lives.wrong(), 0u) << "after " << own_posts << " posts";
  }
}

TEST_P(IOLoopCloseMemory, ThatIsMissingLetsDestructorsUseTheLoop) {
  int refused = 0;
  std::thread([&] {
    for (int i = 0; i < 3; ++i) {
      loop_.add_callback([end = std::make_shared<AtDestruction>([&] {
                            refused += !loop_.add_callback_from_signal([] {});
                            loop_.stop();
                            loop_.remove_handler(0);
                            EXPECT_EQ(loop_.close(), CloseReport());
                          })] {});
    }
  }).join();
  allocations_left = 0;
  const CloseReport report = loop_.close();
  allocations_left = -1;
  EXPECT_EQ(report.callbacks_abandoned, 3u);
  EXPECT_EQ(refused, 3);
}

Task<void> sleep_with(std::shared_ptr<Lives::One> life) {
  co_await sleep_for(1h);
  static_cast<void>(life);
}

TEST_P(IOLoopCloseMemory, ThatIsMissingEndsTasksThatWait) {
  for (int enough_for = 0; enough_for < 10; ++enough_for) {
    IOLoop loop(options());
    Lives lives;
    std::vector<Future<void>> futures;
    for (int i = 0; i < 5; ++i) {
      auto life = std::make_shared<Lives::One>(lives.begin());
      futures.push_back(spawn(loop, sleep_with(std::move(life))));
    }
    loop.add_callback([&] { loop.add_callback([&] { loop.stop(); }); });
    loop.start();
    allocations_left = enough_for;
    const CloseReport report = loop.close();
    allocations_left = -1;
    EXPECT_EQ(report.timers_abandoned, 5u);
    EXPECT_EQ(lives.wrong(), 0u);
    for (const Future<void>& future : futures) EXPECT_TRUE(future.is_ready());
  }
}

// The loop's own thread closes it.
TEST_P(IOLoopCloseMemory, ThatIsMissingAtTheEndOfALoopThreadLosesNothing) {
  Lives lives;
  std::uint64_t posted = 0;
  LoopThread::Options of_thread;
  of_thread.loop = options();
  LoopThread thread(of_thread);
  std::latch batch_has_begun(1);
  std::latch all_posted(1);
  thread.loop().add_callback([&] {
    batch_has_begun.count_down();
    all_posted.wait();
    thread.stop();
    allocations_left = 0;  // for this thread, until it ends
  });
  batch_has_begun.wait();  // so that the posts below are not in this batch
  {
    std::vector<std::thread> posters;
    std::latch all_have_posted(kThreads);
    std::atomic<int> turn{0};
    for (int i = 0; i < kThreads; ++i) {
      posters.emplace_back([&, i] {
        while (turn != i) std::this_thread::yield();
        for (int j = 0; j < 3; ++j, ++posted) thread.loop().add_callback([life = lives.begin()] {});
        ++turn;
        all_have_posted.arrive_and_wait();
      });
    }
    for (std::thread& poster : posters) poster.join();
  }
  all_posted.count_down();
  const CloseReport report = thread.join();
  EXPECT_EQ(report.callbacks_abandoned, posted);
  EXPECT_EQ(lives.wrong(), 0u);
}

}  // namespace
}  // namespace zmqloop::testing
