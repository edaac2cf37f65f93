// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/callbacks/owned_timer.h"

#include <atomic>
#include <new>
#include <string>
#include <utility>

#include "zmqloop/threading/host/error_output.h"

namespace zmqloop {
namespace {

LoopCore* if_open(const std::shared_ptr<LoopCore>& core) noexcept {
  return core == nullptr || core->affinity().is_closed() ? nullptr : core.get();
}

}  // namespace

OwnedTimer::OwnedTimer(IOLoop* loop) : chosen_(loop == nullptr ? nullptr : loop->core()) {}

OwnedTimer::~OwnedTimer() = default;

std::shared_ptr<LoopCore> OwnedTimer::loop_for_start() {
  if (chosen_ != nullptr) return chosen_;
  fell_back_ = IOLoop::current_or_null() == nullptr;
  return IOLoop::current().core();
}

LoopCore* OwnedTimer::open_loop() const noexcept { return if_open(started_on_); }

LoopCore* OwnedTimer::loop_for_calls() const noexcept {
  return if_open(started_on_ != nullptr ? started_on_ : chosen_);
}

// Writes started_on_ only if the loop is another one: a timer that arms itself again on the loop's
// thread must not race with the owner, which reads started_on_ in abandon().
void OwnedTimer::arm(std::shared_ptr<LoopCore> core, TimePoint deadline) {
  timer_ = add_timer(*core, deadline);
  if (!core->has_run()) unrun_due_ = deadline;  // so this is a start, not a tick
  if (started_on_ != core) started_on_ = std::move(core);
  running_ = true;
}

void OwnedTimer::stop(const char* operation) {
  if (LoopCore* const core = loop_for_calls()) {
    const LoopAffinity::Access access(core->affinity(), operation,
                                      LoopAffinity::AfterClose::kNothing);
    if (access.is_granted() && started_on_ != nullptr) core->timers().cancel(timer_);
  }
  running_ = false;
}

void OwnedTimer::abandon(const char* owner) noexcept {
  complain_if_nobody_runs_it(owner);
  if (uses_.fetch_and(~kOwned) == kOwned) destroy_callable();
  if (started_on_ == nullptr) return;
  LoopCore& core = *started_on_;
  const auto use = core.affinity().try_use([this, &core]() noexcept { core.timers().cancel(timer_); });
  if (use != LoopAffinity::Use::kElsewhere) return;  // cancelled, or closing the loop cancels it
  try {
    static_cast<void>(core.post(
        [self = shared_from_this()] { self->started_on_->timers().cancel(self->timer_); }));
  } catch (const std::bad_alloc&) {
    // It stays armed, and calls nothing when it is due.
  }
}

// Once per process. Without it, a timer that is never called would go unnoticed.
void OwnedTimer::complain_if_nobody_runs_it(const char* owner) const noexcept {
  static std::atomic<bool> has_complained{false};
  if (!fell_back_ || !running_ || started_on_->has_run()) return;
  try {
    if (started_on_->now() < unrun_due_ || has_complained.exchange(true)) return;
    write_error(std::string("zmqloop: a ") + owner +
                " was due and never called: no loop was current on the thread that started it, so it "
                "went to IOLoop::instance(), which nobody has run. Give it a loop, call "
                "make_current(), or run the instance\n");
  } catch (...) {
    // The clock threw, or there was no memory for the message.
  }
}

bool OwnedTimer::begin_use() noexcept {
  std::uint32_t uses = uses_;
  do {
    if ((uses & kOwned) == 0) return false;
  } while (!uses_.compare_exchange_weak(uses, uses + 1));
  return true;
}

void OwnedTimer::end_use() noexcept {
  if (uses_.fetch_sub(1) == 1) destroy_callable();
}

void OwnedTimer::fire() {
  if (!begin_use()) return;
  LoopCore& core = *started_on_;
  Call under_way(*this, core);
  call_begins();
  try {
    call(core, under_way);
  } catch (...) {
    under_way.end();
    throw;
  }
  under_way.end();
}

void OwnedTimer::end_call() {
  struct EndUse {
    OwnedTimer& timer;
    ~EndUse() { timer.end_use(); }
  } end_use{*this};
  call_is_over();
}

// Posted to the loop of a dropped call, so that the call ends there if the loop still runs.
struct OwnedTimer::DroppedCall {
  explicit DroppedCall(std::shared_ptr<OwnedTimer> of) noexcept : timer(std::move(of)) {}
  DroppedCall(DroppedCall&&) noexcept = default;
  DroppedCall& operator=(DroppedCall&&) = delete;
  ~DroppedCall() {
    if (timer != nullptr) timer->end_use();
  }
  void operator()() { std::exchange(timer, nullptr)->end_call(); }

  std::shared_ptr<OwnedTimer> timer;
};

void OwnedTimer::call_is_dropped(LoopCore& core) noexcept {
  if (!is_owned()) return end_use();  // no owner: no further tick to schedule
  DroppedCall dropped(shared_from_this());
  try {
    static_cast<void>(core.post(std::move(dropped)));
  } catch (const std::bad_alloc&) {
    // ~DroppedCall() still releases the callable, but no further tick is scheduled.
  }
}

}  // namespace zmqloop
