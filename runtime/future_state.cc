#include "zmqloop/runtime/future_state.h"

#include "zmqloop/runtime/user_code.h"
#include "zmqloop/threading/thread_role.h"

namespace zmqloop {

bool FutureStateBase::is_ready() const {
  const std::lock_guard lock(mutex_);
  return phase_ == Phase::kReady;
}

bool FutureStateBase::wait(std::optional<Duration> limit) const {
  if (is_ready()) return true;
  if (limit && *limit <= Duration::zero()) return false;
  require_may_block();
  const TimePoint deadline = limit ? saturating_add(Clock::now(), *limit) : TimePoint::max();
  const auto ready = [this] { return phase_ == Phase::kReady; };
  std::unique_lock lock(mutex_);
  if (deadline != TimePoint::max()) return became_ready_.wait_until(lock, deadline, ready);
  became_ready_.wait(lock, ready);
  return true;
}

void FutureStateBase::require_may_block() {
  if (!ThreadRole::runs_loop()) return;
  throw std::logic_error(
      "Future: not ready, and this thread runs a loop, which waiting would block; ask for a "
      "callback "
      "instead");
}

void FutureStateBase::on_ready(absl::AnyInvocable<void()> f) {
  {
    const std::lock_guard lock(mutex_);
    if (phase_ != Phase::kReady) {
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

bool FutureStateBase::begin_setting() {
  const std::lock_guard lock(mutex_);
  if (phase_ != Phase::kEmpty) return false;
  phase_ = Phase::kSetting;
  return true;
}

void FutureStateBase::give_up() {
  const std::lock_guard lock(mutex_);
  phase_ = Phase::kEmpty;
}

void FutureStateBase::complete() {
  std::vector<absl::AnyInvocable<void()>> continuations;
  {
    const std::lock_guard lock(mutex_);
    phase_ = Phase::kReady;
    continuations.swap(continuations_);
  }
  became_ready_.notify_all();
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
