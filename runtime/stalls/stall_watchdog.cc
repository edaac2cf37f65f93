// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/stalls/stall_watchdog.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "zmqloop/threading/host/clock.h"
#include "zmqloop/threading/host/stack_capture.h"

namespace zmqloop {
namespace {

std::atomic<StallWatchdog*> of_this_process{nullptr};

thread_local bool is_watchdog_thread = false;

}  // namespace

StallWatchdog& StallWatchdog::get() {
  StallWatchdog* known = of_this_process;
  if (known != nullptr) return *known;
  StallWatchdog* const fresh = new StallWatchdog;
  if (of_this_process.compare_exchange_strong(known, fresh)) return *fresh;
  delete fresh;
  return *known;
}

// Touches nothing that the parent's threads may have left half-done, locks included.
void StallWatchdog::forget_parent(void*) noexcept {
  of_this_process = nullptr;
  is_watchdog_thread = false;
}

void StallWatchdog::watch(const std::shared_ptr<StallWatch>& watch, StallWatch::Settings settings) {
  stack_capture::install();
  // The settings swapped out of the watch are destroyed last, without the lock.
  auto swapped = std::make_shared<const StallWatch::Settings>(std::move(settings));
  {
    std::unique_lock lock(mutex_);
    if (find(*watch) == watches_.end()) {
      watches_.reserve(watches_.size() + 1);  // so that nothing fails once the thread is started
      if (thread_ == nullptr) start_thread();
      watches_.push_back({watch, true});
    } else {
      settle(lock, *watch);
    }
    watch->swap(swapped);
    find(*watch)->is_settling = false;
  }
  wake_up_.post();
}

void StallWatchdog::unwatch(const std::shared_ptr<StallWatch>& watch) {
  std::shared_ptr<const StallWatch::Settings> settings;  // destroyed without the lock
  std::vector<Thread> ended;                             // likewise, which joins them
  {
    std::unique_lock lock(mutex_);
    if (find(*watch) == watches_.end()) return;
    settle(lock, *watch);
    watch->forget();
    watch->swap(settings);
    watches_.erase(find(*watch));
    ended = end_thread_if_unneeded();
  }
  wake_up_.post();
}

std::vector<StallWatchdog::Entry>::iterator StallWatchdog::find(const StallWatch& watch) {
  return std::find_if(watches_.begin(), watches_.end(),
                      [&](const Entry& entry) { return entry.watch.get() == &watch; });
}

void StallWatchdog::start_thread() {
  ending_.reserve(ending_.size() + 1);  // so that ending it cannot fail
  thread_ = std::make_unique<NamedThread>(NamedThread::Options{.name = "zmqloop-stalls", .cpu = {}},
                                          [this, run = run_] { this->run(run); });
}

// Returns the threads to join, which were asked to end; none on a watchdog's own thread.
std::vector<StallWatchdog::Thread> StallWatchdog::end_thread_if_unneeded() {
  if (watches_.empty() && thread_ != nullptr) {
    ++run_;
    ending_.push_back(std::move(thread_));
  }
  if (is_watchdog_thread) return {};
  return std::exchange(ending_, {});
}

void StallWatchdog::settle(std::unique_lock<std::mutex>& lock, StallWatch& watch) {
  find(watch)->is_settling = true;
  if (is_watchdog_thread) return;  // we are in an action
  changed_.wait(lock, [&] { return delivering_ != &watch && !watch.has_end_to_report(); });
}

// ---- the watchdog's thread ----

// The thread's next step: deliver the find of a look, or sleep, or end.
struct StallWatchdog::Turn {
  bool is_last = false;
  std::shared_ptr<StallWatch> watch;  // null: nothing was found
  StallWatch::Look::Found found = StallWatch::Look::Found::kNothing;
  TimePoint next = TimePoint::max();  // when to look again in that case
};

// Makes a change under the mutex when it is destroyed, and notifies those that wait for it.
template <class F>
class StallWatchdog::AtEnd {
 public:
  AtEnd(StallWatchdog& watchdog, F change) : watchdog_(watchdog), change_(change) {}
  AtEnd(const AtEnd&) = delete;
  AtEnd& operator=(const AtEnd&) = delete;
  ~AtEnd() {
    const std::lock_guard lock(watchdog_.mutex_);
    change_();
    watchdog_.changed_.notify_all();
  }

 private:
  StallWatchdog& watchdog_;
  const F change_;
};

void StallWatchdog::run(std::uint32_t run) {
  is_watchdog_thread = true;
  {
    // First the earlier thread ends: two would take each other's posts, and deliver at once.
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return runs_ended_ == run; });
  }
  const AtEnd end(*this, [this] { ++runs_ended_; });
  for (;;) {
    const Turn turn = next_turn(run);
    if (turn.is_last) return;
    if (turn.watch != nullptr) {
      const AtEnd delivered(*this, [this] { delivering_ = nullptr; });
      turn.watch->deliver(turn.found);
    } else {
      wake_up_.wait_until(turn.next);
    }
  }
}

StallWatchdog::Turn StallWatchdog::next_turn(std::uint32_t run) {
  Turn turn;
  const std::lock_guard lock(mutex_);
  turn.is_last = run != run_;
  if (turn.is_last) return turn;
  const TimePoint now = Clock::now();
  for (auto entry = watches_.begin(); entry != watches_.end(); ++entry) {
    if (entry->is_settling && !entry->watch->has_end_to_report()) continue;
    const StallWatch::Look look = entry->watch->look(now);
    if (look.found != StallWatch::Look::Found::kNothing) {
      turn.watch = entry->watch;
      turn.found = look.found;
      delivering_ = turn.watch.get();
      std::rotate(entry, entry + 1, watches_.end());  // the others are looked at first next time
      return turn;
    }
    turn.next = std::min(turn.next, look.next);
  }
  return turn;
}

}  // namespace zmqloop
