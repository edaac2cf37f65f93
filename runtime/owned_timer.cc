#include "zmqloop/runtime/owned_timer.h"

#include <new>

namespace zmqloop {

OwnedTimer::OwnedTimer(IOLoop* loop) : chosen_(loop == nullptr ? nullptr : loop->core()) {}

std::shared_ptr<LoopCore> OwnedTimer::loop_for_start() const {
  return chosen_ != nullptr ? chosen_ : IOLoop::current().core();
}

LoopCore* OwnedTimer::open_loop() const noexcept {
  return started_on_ == nullptr || started_on_->affinity().is_closed() ? nullptr
                                                                       : started_on_.get();
}

// Writes the loop only if it is another one: a timer that arms itself again on the loop's thread
// must not race with an owner that reads here, in abandon(), which loop to tell.
void OwnedTimer::arm(std::shared_ptr<LoopCore> core, TimePoint deadline) {
  timer_ = add_timer(*core, deadline);
  if (started_on_ != core) started_on_ = std::move(core);
  running_ = true;
}

void OwnedTimer::stop(const char* operation) {
  if (LoopCore* const core = open_loop()) {
    const LoopAffinity::Access access(core->affinity(), operation,
                                      LoopAffinity::AfterClose::kNothing);
    if (access.is_granted()) core->timers().cancel(timer_);
  }
  running_ = false;
}

void OwnedTimer::abandon() noexcept {
  if (uses_.fetch_and(~kOwned) == kOwned) destroy_callable();
  if (started_on_ == nullptr) return;
  LoopCore& core = *started_on_;
  const auto use = core.affinity().try_use([this, &core]() noexcept { core.timers().cancel(timer_); });
  if (use != LoopAffinity::Use::kElsewhere) return;  // done, or closing the loop does it
  try {
    static_cast<void>(core.post(
        [self = shared_from_this()] { self->started_on_->timers().cancel(self->timer_); }));
  } catch (const std::bad_alloc&) {
    // It stays armed, and calls nothing when it is due.
  }
}

bool OwnedTimer::begin_use() noexcept {
  std::uint32_t uses = uses_;
  do {
    if ((uses & kOwned) == 0) return false;
  } while (!uses_.compare_exchange_weak(uses, uses + 1));
  return true;
}

void OwnedTimer::fire() {
  if (!begin_use()) return;
  call_begins();
  try {
    if (!call(*started_on_)) return;
  } catch (...) {
    end_call();
    throw;
  }
  end_call();
}

void OwnedTimer::end_call() {
  struct EndUse {
    OwnedTimer& timer;
    ~EndUse() {
      if (timer.uses_.fetch_sub(1) == 1) timer.destroy_callable();
    }
  } end_use{*this};
  call_is_over();
}

}  // namespace zmqloop
