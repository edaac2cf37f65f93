// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/poller_interface.h"

namespace zmqloop {

Poller::~Poller() = default;

std::span<const Ready> Poller::wait(std::optional<Duration> timeout) {
  if (!timeout) return wait_until(std::nullopt);
  if (*timeout <= Duration::zero()) return wait_until(kAtOnce);
  return wait_until(saturating_add(Clock::now(), *timeout));
}

}  // namespace zmqloop
