// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Back-pressure: a producer pauses while the consumer's queue is full, and continues when there is
// room. No thread blocks, and nothing polls.

#include <cstdio>

#include "zmqloop/zmqloop.h"

namespace {

constexpr int kItems = 10'000;

// Posts numbers to the consumer's loop. It runs on a loop of its own, and never blocks it.
class Producer {
 public:
  Producer(zmqloop::IOLoop& own, zmqloop::IOLoop& consumer) : own_(own), consumer_(consumer) {}

  void produce() {
    while (next_ < kItems) {
      switch (consumer_.try_add_callback([this, item = next_] { consume(item); })) {
        case zmqloop::PostOutcome::kAccepted:
          ++next_;
          break;
        case zmqloop::PostOutcome::kFull:
          ++times_full_;
          // The consumer's loop calls this once, when its queue is less than half full.
          if (!consumer_.call_when_below(kConsumerLimit / 2, [this] {
                own_.add_callback([this] { produce(); });
              })) {
            own_.stop();
          }
          return;
        case zmqloop::PostOutcome::kClosed:
          own_.stop();
          return;
      }
    }
  }

  static constexpr std::size_t kConsumerLimit = 64;
  bool is_done() const { return sum_ == kItems * (kItems - 1LL) / 2; }
  int times_full() const { return times_full_; }

 private:
  // On the consumer's loop.
  void consume(int item) {
    sum_ += item;
    if (item + 1 == kItems) own_.stop();
  }

  zmqloop::IOLoop& own_;
  zmqloop::IOLoop& consumer_;
  int next_ = 0;
  int times_full_ = 0;
  long long sum_ = 0;
};

}  // namespace

int main() {
  zmqloop::IOLoop loop;
  zmqloop::LoopThread::Options options;
  options.loop.name = "consumer";
  options.loop.max_pending = Producer::kConsumerLimit;
  zmqloop::LoopThread consumer(options);

  Producer producer(loop, consumer.loop());
  loop.add_callback([&] { producer.produce(); });
  loop.start();

  consumer.stop();
  consumer.join();
  std::printf("%d items, %d times full\n", kItems, producer.times_full());
  return producer.is_done() ? 0 : 1;
}
