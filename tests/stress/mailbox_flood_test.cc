// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Makes many posts from many threads to several mailboxes: each runs once, in its thread's order.
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "tests/support/mailbox_consumer.h"
#include "tests/support/stress_counts.h"
#include <gtest/gtest.h>

#include "zmqloop/threading/mailbox/mailbox.h"

namespace zmqloop {
namespace {

constexpr std::size_t kThreads = 4;
constexpr std::size_t kMailboxes = 2;
constexpr std::uint64_t kMostInFlight = 100'000;  // from one thread to one mailbox

// A mailbox, its consumer's thread, and counts of the arrivals.
class Sink {
 public:
  explicit Sink(std::uint64_t expected) : expected_(expected), thread_([this] { consume(); }) {}
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  // Posts `sequence`; waits while too many posts of this thread are in flight.
  void post(std::size_t thread, std::uint64_t sequence) {
    // The result is ignored: a refused post would be missing at the consumer.
    static_cast<void>(mailbox_.post([this, thread, sequence] { arrive(thread, sequence); }));
    for (testing::Backoff backoff; sequence > arrived_[thread].load() + kMostInFlight;) {
      backoff.step();
    }
  }
  Mailbox& mailbox() { return mailbox_; }
  void join() { thread_.join(); }
  std::uint64_t wrong() const { return wrong_; }

 private:
  void consume() {
    for (testing::Backoff backoff; mailbox_.taken() < expected_;) {
      if (testing::run_batch(mailbox_) == 0) backoff.step();
    }
  }
  void arrive(std::size_t thread, std::uint64_t sequence) {
    // Lost, doubled and swapped posts all break the sequence.
    if (sequence != next_[thread]++) ++wrong_;
    if (sequence % 1'024 == 0) arrived_[thread].store(sequence);
  }

  const std::uint64_t expected_;
  Mailbox mailbox_{0};
  std::array<std::uint64_t, kThreads> next_{};
  std::uint64_t wrong_ = 0;
  std::array<std::atomic<std::uint64_t>, kThreads> arrived_{};
  std::thread thread_;
};

TEST(MailboxFlood, LosesDoublesAndSwapsNoneOfAHundredMillionPosts) {
  const std::uint64_t each = testing::light_stress_count(100'000'000) / (kThreads * kMailboxes);
  std::array<std::unique_ptr<Sink>, kMailboxes> sinks;
  for (auto& sink : sinks) sink = std::make_unique<Sink>(each * kThreads);
  const testing::HangOracle oracle(
      [&sinks] {
        std::uint64_t taken = 0;
        for (const auto& sink : sinks) taken += sink->mailbox().taken();
        return taken;
      },
      [&sinks] {
        for (const auto& sink : sinks) testing::dump_mailbox(sink->mailbox());
      });
  std::vector<std::thread> posters;
  for (std::size_t self = 0; self < kThreads; ++self) {
    posters.emplace_back([&, self] {
      for (std::uint64_t sequence = 0; sequence < each; ++sequence) {
        for (auto& sink : sinks) sink->post(self, sequence);
      }
    });
  }
  for (std::thread& poster : posters) poster.join();
  for (auto& sink : sinks) {
    sink->join();
    EXPECT_EQ(sink->wrong(), 0u);
    EXPECT_EQ(sink->mailbox().taken(), each * kThreads);
    EXPECT_EQ(sink->mailbox().pending(), 0u);
  }
}

}  // namespace
}  // namespace zmqloop
