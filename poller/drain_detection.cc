// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/drain_detection.h"

#include <atomic>
#include <cstdint>

#include "zmqloop/poller/epoll_set.h"
#include "zmqloop/poller/waker.h"

namespace zmqloop {
namespace {

// Returns the events that the set reports now for its only entry.
std::uint32_t report(EpollSet& set) {
  epoll_event event{};
  int count = -1;
  while (count < 0) count = set.wait({&event, 1}, kAtOnce);
  return count == 0 ? 0 : event.events;
}

DrainDetection try_out() {
  Waker socket_pair;
  EpollSet set;
  const bool watched = set.add(socket_pair.fd(), EPOLLIN | EPOLLOUT | EPOLLET, 0) == 0;
  static_cast<void>(report(set));  // An entry that is ready when added is reported once.
  // Twice, because the second time must not depend on the first.
  for (int round = 0; round < 2; ++round) {
    socket_pair.wake();
    if ((report(set) & EPOLLIN) == 0) return DrainDetection::kByScan;
    socket_pair.drain();
    if (report(set) != EPOLLOUT) return DrainDetection::kByScan;
    if (report(set) != 0) return DrainDetection::kByScan;
  }
  return watched ? DrainDetection::kByEdge : DrainDetection::kByScan;
}

}  // namespace

// Several threads may try at the same time, with the same result. No lock: see fork_guard.h.
DrainDetection drain_detection() {
  static constinit std::atomic<int> known{-1};
  if (known < 0) known = static_cast<int>(try_out());
  return static_cast<DrainDetection>(known.load());
}

}  // namespace zmqloop
