// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include <array>
#include <cstdint>
#include <semaphore>
#include <thread>

#include "tests/cost/measured.h"
#include "tests/cost/operation.h"
#include "tests/cost/payload.h"

#include "zmqloop/runtime/loop/io_loop.h"

namespace zmqloop::cost {
namespace {

constexpr int kRounds = 16;
// Unmeasured rounds first, in which lanes get the memory that they keep.
constexpr int kWarmUps = 8;

// Batches of these sizes are followed by no pause (batch_pacer.h) and fill whole segments (lane.h).
constexpr int kSmallBatch = 256;
constexpr int kLargeBatch = 512;

constexpr int kFewIterations = 1'000;
constexpr int kManyIterations = 3'000;

void post_payloads(IOLoop& loop, std::uint64_t& sum, int count) {
  for (int i = 0; i < count; ++i) loop.add_callback(payload(sum));
}

void post_on_another_thread(IOLoop& loop, std::uint64_t& sum, int count) {
  std::thread([&] { post_payloads(loop, sum, count); }).join();
}

void run_all_posts(IOLoop& loop) {
  loop.add_callback([&loop] { loop.stop(); });
  loop.start();
}

void warm_up(IOLoop& loop) {
  std::uint64_t sum = 0;
  for (int round = 0; round < kWarmUps; ++round) {
    post_on_another_thread(loop, sum, kLargeBatch);
    post_payloads(loop, sum, kLargeBatch);
    run_all_posts(loop);
  }
}

// add_callback() on a thread that runs no loop.
void post(int size) {
  IOLoop loop(without_spinning());
  warm_up(loop);
  std::uint64_t sum = 0;
  for (int round = 0; round < kRounds; ++round) {
    std::thread([&] { measured([&] { post_payloads(loop, sum, size); }); }).join();
    run_all_posts(loop);
  }
  require(sum, static_cast<std::uint64_t>(size) * kRounds);
}

// Runs a callback of a batch that another thread has posted.
void run(int size) {
  IOLoop loop(without_spinning());
  warm_up(loop);
  std::uint64_t sum = 0;
  for (int round = 0; round < kRounds; ++round) {
    post_on_another_thread(loop, sum, size);
    measured([&] { run_all_posts(loop); });
  }
  require(sum, static_cast<std::uint64_t>(size) * kRounds);
}

// A thread that posts once per post() call. It keeps its lane, unlike short-lived threads.
class Poster {
 public:
  Poster(IOLoop& loop, std::uint64_t& sum)
      : thread_([this, &loop, &sum] {
          for (turn_.acquire(); !ended_; turn_.acquire()) {
            loop.add_callback(payload(sum));
            done_.release();
          }
        }) {}
  Poster(const Poster&) = delete;
  Poster& operator=(const Poster&) = delete;
  ~Poster() {
    ended_ = true;
    turn_.release();
    thread_.join();
  }
  void post() {
    turn_.release();
    done_.acquire();
  }

 private:
  bool ended_ = false;
  std::binary_semaphore turn_{0};
  std::binary_semaphore done_{0};
  std::thread thread_;
};

// Runs a callback of a batch in which consecutive posts come from different threads.
void run_merged(int size) {
  IOLoop loop(without_spinning());
  std::uint64_t sum = 0;
  Poster poster(loop, sum);
  const auto post_in_turns = [&](int count) {
    for (int i = 0; i < count; i += 2) {
      loop.add_callback(payload(sum));
      poster.post();
    }
  };
  for (int round = 0; round < kWarmUps; ++round) {
    post_in_turns(kLargeBatch);
    run_all_posts(loop);
  }
  sum = 0;
  for (int round = 0; round < kRounds; ++round) {
    post_in_turns(size);
    measured([&] { run_all_posts(loop); });
  }
  require(sum, static_cast<std::uint64_t>(size) * kRounds);
}

// A callback posted by the loop's own thread in a batch, and its run.
void post_and_run(int size) {
  IOLoop loop(without_spinning());
  warm_up(loop);
  std::uint64_t sum = 0;
  for (int round = 0; round < kRounds; ++round) {
    loop.add_callback([&loop, &sum, size] {
      post_payloads(loop, sum, size);
      loop.add_callback([&loop] { loop.stop(); });
    });
    measured([&] { loop.start(); });
  }
  require(sum, static_cast<std::uint64_t>(size) * kRounds);
}

struct SelfPost {
  IOLoop* loop;
  int* left;
  std::array<std::uint64_t, 2> content;
  void operator()() const {
    if (--*left == 0) return loop->stop();
    loop->add_callback(*this);
  }
};
static_assert(sizeof(SelfPost) == sizeof(Payload));

// An iteration: one callback, which posts itself.
void self_post(int size) {
  IOLoop loop(without_spinning());
  warm_up(loop);
  int left = size;
  loop.add_callback(SelfPost{&loop, &left, {}});
  measured([&] { loop.start(); });
  require(static_cast<std::uint64_t>(left), 0);
}

// add_callback_from_signal(). Few posts, so that they fit into the first word of the slots' bitmap.
void signal_post(int size) {
  IOLoop loop(without_spinning());
  std::uint64_t sum = 0;
  for (int round = 0; round < kRounds; ++round) {
    measured([&] {
      for (int i = 0; i < size; ++i) loop.add_callback_from_signal(payload(sum));
    });
    run_all_posts(loop);
  }
  require(sum, static_cast<std::uint64_t>(size) * kRounds);
}

struct SelfSignalPost {
  IOLoop* loop;
  int* left;
  std::array<std::uint64_t, 2> content;
  void operator()() const {
    if (--*left == 0) return loop->stop();
    loop->add_callback_from_signal(*this);
  }
};

// An iteration: one callback, which posts itself as a signal handler does.
void signal_turn(int size) {
  IOLoop loop(without_spinning());
  int left = size;
  loop.add_callback_from_signal(SelfSignalPost{&loop, &left, {}});
  measured([&] { loop.start(); });
  require(static_cast<std::uint64_t>(left), 0);
}

constexpr Operation kOperations[] = {
    {"post", kSmallBatch, kLargeBatch, kRounds, post},
    {"run", kSmallBatch, kLargeBatch, kRounds, run},
    {"run_merged", kSmallBatch, kLargeBatch, kRounds, run_merged},
    {"post_and_run", kSmallBatch, kLargeBatch, kRounds, post_and_run},
    {"self_post", kFewIterations, kManyIterations, 1, self_post},
    {"signal_post", 16, 48, kRounds, signal_post},
    {"signal_turn", kFewIterations, kManyIterations, 1, signal_turn},
};

}  // namespace

std::span<const Operation> post_operations() { return kOperations; }

}  // namespace zmqloop::cost
