// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The floors of latency: one word goes back and forth between two bare threads, which either spin
// for it or sleep in an eventfd.
//
// Threads, errors: as in workload.h.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_BARE_PING_PONG_H_
#define ZMQLOOP_BENCHMARKS_BARE_PING_PONG_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "benchmarks/team.h"
#include "benchmarks/workload.h"

#include "zmqloop/threading/mailbox/counter.h"

namespace zmqloop::bench {

// The item that travels: the number of the hop, or kQuit, and the time it was sent.
struct Ball {
  static constexpr std::uint64_t kQuit = ~std::uint64_t{0};
  std::uint64_t hop;
  std::int64_t sent_at;
};

// Hands a ball over; the receiver spins.
class SpinChannel {
 public:
  void send(Ball ball) noexcept;
  Ball receive() noexcept;

 private:
  alignas(128) std::atomic<std::uint64_t> hop_{0};
  std::int64_t sent_at_ = 0;
  alignas(128) std::uint64_t received_ = 0;  // the receiver's only
};

// Hands a ball over; the receiver sleeps in read().
class EventfdChannel {
 public:
  EventfdChannel();
  EventfdChannel(const EventfdChannel&) = delete;
  EventfdChannel& operator=(const EventfdChannel&) = delete;
  ~EventfdChannel();
  void send(Ball ball);
  Ball receive();

 private:
  const int fd_;
  alignas(128) std::atomic<std::uint64_t> hop_{0};
  std::atomic<std::int64_t> sent_at_{0};
};

template <class Channel>
class BarePingPong : public Workload {
 public:
  explicit BarePingPong(const WorkloadOptions& options)
      : team_(2, options.cpus, [this](std::size_t side) { play(side); }) {}
  ~BarePingPong() override { request_stop(); }

  std::uint64_t posts_run() const noexcept override {
    return players_[0].run.get() + players_[1].run.get();
  }
  Tally finish() override;

 private:
  struct alignas(128) Player {
    Counter run;
    std::uint64_t sent = 0;
    std::uint64_t corrupt = 0;
    LatencyHistogram latency;
  };

  void play(std::size_t side);

  std::array<Channel, 2> channels_;  // side i receives from channel i
  std::array<Player, 2> players_;
  Team team_;  // last: it uses the other members
};

template <class Channel>
void BarePingPong<Channel>::play(std::size_t side) {
  Player& self = players_[side];
  Channel& in = channels_[side];
  Channel& out = channels_[1 - side];
  if (side == 0) {
    ++self.sent;
    out.send({.hop = 1, .sent_at = kUntimed});
  }
  for (std::uint64_t expected = side == 0 ? 2 : 1;; expected += 2) {
    const Ball ball = in.receive();
    if (ball.hop == Ball::kQuit) return;
    if (ball.hop != expected) ++self.corrupt;
    self.run.add();
    // One clock reading ends a hop and begins the next, as in circuit.h.
    const std::int64_t time = sampling() ? now() : kUntimed;
    if (time != kUntimed && ball.sent_at != kUntimed) self.latency.record(time - ball.sent_at);
    if (stopped()) return out.send({.hop = Ball::kQuit, .sent_at = kUntimed});
    ++self.sent;
    out.send({.hop = ball.hop + 1, .sent_at = time});
  }
}

template <class Channel>
Tally BarePingPong<Channel>::finish() {
  request_stop();
  team_.join();
  Tally tally;
  for (const Player& player : players_) {
    tally.accepted += player.sent;
    tally.run += player.run.get();
    tally.corrupt += player.corrupt;
    tally.latency.merge(player.latency);
  }
  return tally;
}

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_BARE_PING_PONG_H_
