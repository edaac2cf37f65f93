// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// How long does a loop take to find its next post among the lanes of many threads? (ns)
//
// scale-merge: a large batch in which consecutive posts lie in different lanes; ns per post.
// scale-scan: batches of one post, each in a different lane from the one before; ns per batch,
// including two clock reads. Posting is not measured: the threads post in turn. The mailbox tries
// the four lanes it took from last before it examines all lanes.
//
// This measures the mailbox alone, without a loop around it: see threading/mailbox/mailbox.h.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "benchmarks/latency_histogram.h"
#include "benchmarks/measurement.h"

#include "zmqloop/threading/mailbox/mailbox.h"

namespace zmqloop::bench {
namespace {

// Threads that post on request, one at a time; each has its own lane.
class Posters {
 public:
  Posters(Mailbox& mailbox, std::size_t count) : mailbox_(mailbox), turns_(count) {
    for (std::size_t i = 0; i < count; ++i) {
      threads_.emplace_back([this, i] { post_in_turn(i); });
      post_from(i);
    }
  }
  Posters(const Posters&) = delete;
  Posters& operator=(const Posters&) = delete;
  ~Posters() {
    ending_ = true;
    for (Turn& turn : turns_) turn.begin.release();
    for (std::thread& thread : threads_) thread.join();
  }

  // Lets thread `number` post; the post is complete when this returns.
  void post_from(std::size_t number) {
    turns_[number].begin.release();
    turn_ended_.acquire();
  }

 private:
  struct Turn {
    std::binary_semaphore begin{0};
  };

  void post_in_turn(std::size_t number) {
    for (;;) {
      turns_[number].begin.acquire();
      if (ending_) return;
      const auto count = [this] { ++run_; };
      if (mailbox_.post(count) == PostResult::kRefused) std::terminate();
      turn_ended_.release();
    }
  }

  Mailbox& mailbox_;
  std::uint64_t run_ = 0;  // written by the thread that runs the batch
  bool ending_ = false;    // published by the turns
  std::vector<Turn> turns_;
  std::binary_semaphore turn_ended_{0};
  std::vector<std::thread> threads_;
};

struct Batch {
  std::uint64_t posts = 0;
  Duration time = {};
};

// Runs the waiting posts, as a loop does.
Batch run_batch(Mailbox& mailbox) {
  Batch batch;
  const TimePoint begin = Clock::now();
  mailbox.begin_batch(mailbox.look());
  while (Slot* slot = mailbox.take()) {
    slot->run();
    ++batch.posts;
  }
  batch.time = Clock::now() - begin;
  return batch;
}

// Does rounds until `window` has passed. A round posts, then runs one batch.
template <class Round>
void measure_for(benchmark::State& state, Duration window, const Round& round) {
  const TimePoint begin = Clock::now();
  TimePoint now = begin;
  for (; now - begin < window; now = Clock::now()) round();
  state.SetIterationTime(std::chrono::duration<double>(now - begin).count());
}

void require(std::uint64_t posts, std::uint64_t expected) {
  if (posts == expected) return;
  throw std::runtime_error(std::to_string(posts) + " posts in a batch of " +
                           std::to_string(expected));
}

void measure_merge(benchmark::State& state, Duration window, std::size_t lanes) {
  constexpr std::size_t kPerLane = 16;
  Mailbox mailbox(1);
  Posters posters(mailbox, lanes);
  require(run_batch(mailbox).posts, lanes);
  Batch all;
  measure_for(state, window, [&] {
    for (std::size_t i = 0; i < kPerLane * lanes; ++i) posters.post_from(i % lanes);
    const Batch batch = run_batch(mailbox);
    require(batch.posts, kPerLane * lanes);
    all.posts += batch.posts;
    all.time += batch.time;
  });
  const std::chrono::duration<double> seconds = all.time;
  state.counters["items_per_second"] = static_cast<double>(all.posts) / seconds.count();
}

void measure_scan(benchmark::State& state, Duration window, std::size_t lanes) {
  Mailbox mailbox(1);
  Posters posters(mailbox, lanes);
  require(run_batch(mailbox).posts, lanes);
  LatencyHistogram times;
  std::size_t number = 0;
  measure_for(state, window, [&] {
    posters.post_from(number++ % lanes);
    const Batch batch = run_batch(mailbox);
    require(batch.posts, 1);
    times.record(std::chrono::nanoseconds(batch.time).count());
  });
  state.counters["p50_ns"] = static_cast<double>(times.percentile(0.5));
  state.counters["p99_ns"] = static_cast<double>(times.percentile(0.99));
  state.counters["p999_ns"] = static_cast<double>(times.percentile(0.999));
}

int run(int argc, char** argv) {
  Measurement measurement(argc, argv);
  const Duration window = measurement.window();
  for (const std::size_t lanes : {4u, 8u, 64u, 256u}) {
    const std::string axis = "/lanes:" + std::to_string(lanes);
    measurement.add("scale-merge/zmqloop" + axis, [window, lanes](benchmark::State& state) {
      measure_merge(state, window, lanes);
    });
    measurement.add("scale-scan/zmqloop" + axis, [window, lanes](benchmark::State& state) {
      measure_scan(state, window, lanes);
    });
  }
  return measurement.run();
}

}  // namespace
}  // namespace zmqloop::bench

int main(int argc, char** argv) { return zmqloop::bench::run(argc, argv); }
