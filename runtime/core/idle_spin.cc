// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/core/idle_spin.h"

#include <algorithm>
#include <atomic>
#include <cstddef>

#include "zmqloop/threading/host/fork_guard.h"
#include "zmqloop/threading/host/usable_cores.h"

namespace zmqloop {
namespace {

std::atomic<std::size_t> running_loops{0};
std::atomic<std::size_t> cores{0};
std::atomic<Duration::rep> cores_read_at{0};

// A forked child runs none of its parent's loops.
[[maybe_unused]] const ForkGuard& count_afresh =
    ForkGuard::for_good([](void*) noexcept { running_loops = 0; });

// Reading the mask and the cgroup's files takes longer than starting a loop: once a second is
// enough to notice a changed limit.
std::size_t recent_usable_cores() {
  constexpr Duration kRefresh = std::chrono::seconds(1);
  const Duration now = Clock::now().time_since_epoch();
  if (cores == 0 || now - Duration(cores_read_at) > kRefresh) {
    cores_read_at = now.count();
    cores = usable_cores();
  }
  return cores;
}

}  // namespace

RunningLoop::RunningLoop() : generation_(fork_generation()) {
  recent_usable_cores();  // first, as it may run out of memory
  ++running_loops;
}

RunningLoop::~RunningLoop() {
  if (generation_ == fork_generation()) --running_loops;
}

bool RunningLoop::has_core_for_each() {
  // With one core, even a single loop shares it with its posters.
  return cores > 1 && running_loops <= cores;
}

Duration IdleSpin::budget(TimePoint now) {
  if (fixed_) return *fixed_;
  if (trust_ <= 0 || now < not_before_ || !RunningLoop::has_core_for_each()) {
    return Duration::zero();
  }
  return kBudget;
}

void IdleSpin::found_work() noexcept {
  trust_ = kTrustAfterSuccess;
  probe_interval_ = 1;
  short_sleeps_ = 0;
}

void IdleSpin::found_nothing() noexcept {
  if (trust_ > 0) --trust_;
  if (trust_ == 0) probe_interval_ = std::min(probe_interval_ * 2, kLongestProbeInterval);
}

void IdleSpin::was_preempted(TimePoint now) noexcept {
  trust_ = 0;
  not_before_ = saturating_add(now, kPreemptedPause);
}

void IdleSpin::slept(Duration length) noexcept {
  if (trust_ > 0 || length > kShortSleep) return;
  if (++short_sleeps_ < probe_interval_) return;
  short_sleeps_ = 0;
  trust_ = 1;
}

}  // namespace zmqloop
