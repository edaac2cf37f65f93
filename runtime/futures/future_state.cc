// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/futures/future_state.h"

#include "zmqloop/runtime/basics/user_code.h"
#include "zmqloop/threading/mailbox/thread_role.h"

namespace zmqloop {

FutureStateBase::~FutureStateBase() {
  if (error_ == nullptr || seen_ || witness_.tell == nullptr || is_foreign()) return;
  witness_.tell(witness_.context.get(), error_);
}

bool FutureStateBase::wait(std::optional<Duration> limit) const {
  if (is_ready()) return true;
  if (limit && *limit <= Duration::zero()) return false;
  require_may_block();
  require_own_process();
  const TimePoint deadline = limit ? saturating_add(Clock::now(), *limit) : TimePoint::max();
  const auto ready = [this] { return is_ready(); };
  std::unique_lock lock(mutex_);
  if (deadline != TimePoint::max()) return became_ready_.value.wait_until(lock, deadline, ready);
  became_ready_.value.wait(lock, ready);
  return true;
}

void FutureStateBase::require_may_block() {
  if (!ThreadRole::runs_loop()) return;
  throw std::logic_error(
      "Future: not ready, and this thread runs a loop, which waiting would block; ask for a "
      "callback instead");
}

void FutureStateBase::require_own_process() const {
  if (!is_foreign()) return;
  throw std::logic_error(
      "Future: not ready, and it belongs to the parent process, whose threads would complete it; "
      "in a forked child it never becomes ready by itself");
}

void FutureStateBase::on_ready(absl::AnyInvocable<void()> f) {
  if (!is_ready()) {
    require_own_process();
    const std::lock_guard lock(mutex_);
    if (!is_ready()) {
      continuations_.push_back(std::move(f));
      return;
    }
  }
  f();
}

bool FutureStateBase::set_exception(std::exception_ptr error) {
  if (!begin_setting()) return false;
  error_ = std::move(error);
  complete();
  return true;
}

bool FutureStateBase::begin_setting() noexcept {
  Phase empty = Phase::kEmpty;
  return phase_.compare_exchange_strong(empty, Phase::kSetting);
}

void FutureStateBase::complete() {
  std::vector<absl::AnyInvocable<void()>> continuations;
  if (is_foreign()) {
    phase_ = Phase::kReady;  // the waiting threads are the parent's
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    phase_ = Phase::kReady;
    continuations.swap(continuations_);
  }
  became_ready_.value.notify_all();
  std::exception_ptr failure;
  for (auto& continuation : continuations) {
    const auto note = [&] {
      if (failure == nullptr) failure = std::current_exception();
    };
    static_cast<void>(returned([&] { continuation(); }, note));
  }
  if (failure != nullptr) std::rethrow_exception(failure);
}

}  // namespace zmqloop
