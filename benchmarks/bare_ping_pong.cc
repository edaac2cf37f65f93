// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/bare_ping_pong.h"

#include <cerrno>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

#include "benchmarks/backoff.h"

namespace zmqloop::bench {

// ---- SpinChannel ----

void SpinChannel::send(Ball ball) noexcept {
  sent_at_ = ball.sent_at;
  // release: publishes the time beside it; pairs with acquire in receive().
  hop_.store(ball.hop, std::memory_order_release);
}

Ball SpinChannel::receive() noexcept {
  for (Backoff backoff;; backoff.wait()) {
    // acquire: the time beside it is visible; pairs with release in send().
    const std::uint64_t hop = hop_.load(std::memory_order_acquire);
    if (hop == received_) continue;
    received_ = hop;
    return {.hop = hop, .sent_at = sent_at_};
  }
}

// ---- EventfdChannel ----

EventfdChannel::EventfdChannel() : fd_(eventfd(0, EFD_CLOEXEC)) {
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

EventfdChannel::~EventfdChannel() { close(fd_); }

void EventfdChannel::send(Ball ball) {
  hop_ = ball.hop;
  sent_at_ = ball.sent_at;
  const std::uint64_t one = 1;
  while (write(fd_, &one, sizeof(one)) < 0) {
    if (errno != EINTR) {
      throw std::system_error(errno, std::generic_category(),
                              "write to eventfd " + std::to_string(fd_));
    }
  }
}

Ball EventfdChannel::receive() {
  std::uint64_t count = 0;
  while (read(fd_, &count, sizeof(count)) < 0) {
    if (errno != EINTR) {
      throw std::system_error(errno, std::generic_category(),
                              "read of eventfd " + std::to_string(fd_));
    }
  }
  return {.hop = hop_, .sent_at = sent_at_};
}

}  // namespace zmqloop::bench
