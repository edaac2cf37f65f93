// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/waker.h"

#include <utility>

#include "zmqloop/threading/host/cancellation_hold.h"
#include "zmqloop/threading/host/fork_guard.h"

namespace zmqloop {

Waker::Waker(DescriptorLimit limit)
    : generation_(fork_generation()),
      sockets_(DoorbellSockets::acquire(limit)),
      fd_(sockets_.fd()) {}

Waker::~Waker() {
  if (in_forked_child()) {
    // zmq_close would write to the parent's reaper. We do not lock the mutex: see wake().
    sockets_.leak();
  } else {
    close();
  }
}

bool Waker::in_forked_child() const noexcept { return fork_generation() != generation_; }

void Waker::wake() noexcept {
  // Before locking: a thread of the parent may have held the mutex at the fork, and is gone here.
  if (in_forked_child()) return;
  const CancellationHold hold;
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  // ring() fails only if the runtime context is being shut down, and the loop with it.
  if (sockets_.ring()) rings_.fetch_add(1);
}

void Waker::drain() noexcept {
  if (in_forked_child() || fd_ < 0) return;
  const CancellationHold hold;
  sockets_.drain();
}

void Waker::close() noexcept {
  if (in_forked_child() || fd_ < 0) return;
  const CancellationHold hold;
  fd_ = -1;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  DoorbellSockets::retire(std::move(sockets_));
}

}  // namespace zmqloop
