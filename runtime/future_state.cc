#include "zmqloop/runtime/future_state.h"

#include "absl/time/time.h"

#include "zmqloop/threading/thread_role.h"
#include "zmqloop/threading/visible_lock.h"

namespace zmqloop {

bool FutureStateBase::is_ready() const {
  const VisibleLock lock(&mutex_);
  return phase_ == Phase::kReady;
}

bool FutureStateBase::wait(std::optional<Duration> limit) const {
  if (is_ready()) return true;
  if (limit && *limit <= Duration::zero()) return false;
  require_may_block();
  const bool forever = !limit || *limit == Duration::max();
  const absl::Duration timeout = forever ? absl::InfiniteDuration() : absl::FromChrono(*limit);
  {
    absl::MutexLock lock(&mutex_);
    const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return phase_ == Phase::kReady;
    };
    mutex_.AwaitWithTimeout(absl::Condition(&ready), timeout);
  }
  return is_ready();
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
    const VisibleLock lock(&mutex_);
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
  const VisibleLock lock(&mutex_);
  if (phase_ != Phase::kEmpty) return false;
  phase_ = Phase::kSetting;
  return true;
}

void FutureStateBase::give_up() {
  const VisibleLock lock(&mutex_);
  phase_ = Phase::kEmpty;
}

void FutureStateBase::complete() {
  std::vector<absl::AnyInvocable<void()>> continuations;
  {
    const VisibleLock lock(&mutex_);
    phase_ = Phase::kReady;
    continuations.swap(continuations_);
  }
  for (auto& continuation : continuations) continuation();
}

}  // namespace zmqloop
