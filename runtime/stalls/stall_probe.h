// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The notes of a loop's thread, from which the watchdog can tell whether it is stuck: which
// callable runs and since when, or that the thread is between two.
//
// One word holds the start of the callable that runs, or ran last, and a phase. Starts never
// repeat. So if the word has not changed, it is still the same callable, and everything read in
// between belongs to it.
//
//   between  --begin()-->  running  --end()-->  between     the loop's thread
//   running  --try_claim()-->  reported                     the watchdog; end() then tells it
//   between  --try_park()-->  parked                        the watchdog; begin() then wakes it
//
// Invariants:
//   P1  Only a claimed stall is reported. Either the watchdog claims the callable or the callable
//       ends first, never both. The end of a claimed callable reaches the watchdog.
//   P2  While the watchdog sleeps without a time limit, the word is parked, or a claimed callable
//       runs. The thread that takes the word out of that phase then posts the semaphore.
//
// Threads: in groups, marked below.
// Owns: nothing; the semaphore, and the types of callables, must outlive it.
// Errors: none.
// Internal.

#ifndef ZMQLOOP_RUNTIME_STALLS_STALL_PROBE_H_
#define ZMQLOOP_RUNTIME_STALLS_STALL_PROBE_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>
#include <sys/types.h>
#include <typeinfo>

#include "zmqloop/threading/host/clock.h"
#include "zmqloop/threading/host/semaphore.h"

namespace zmqloop {

class StallProbe {
  enum class Phase : std::uint64_t { kBetween, kParked, kRunning, kReported };

 public:
  explicit StallProbe(Semaphore& watchdog) : watchdog_(watchdog) {}
  StallProbe(const StallProbe&) = delete;
  StallProbe& operator=(const StallProbe&) = delete;

  // ---- loop thread ----

  void set_thread(pid_t thread) noexcept { thread_ = thread; }

  void begin(const std::type_info& type) noexcept { begin(type, Clock::now()); }
  void begin(const std::type_info& type, TimePoint now) noexcept {
    type_ = &type;  // before the word: the watchdog trusts it only if it can then claim the word
    last_start_ = std::max(now.time_since_epoch().count(), last_start_ + 1);
    if (enter(Phase::kRunning) == Phase::kParked) watchdog_.post();
  }
  void end() noexcept {
    const Phase before = enter(Phase::kBetween);
    if (before != Phase::kRunning) [[unlikely]]
      tell_watchdog(before, Clock::now());
  }
  void end(TimePoint now) noexcept { tell_watchdog(enter(Phase::kBetween), now); }

  // Marks a callable as running while it exists.
  class Watching {
   public:
    Watching(StallProbe& probe, const std::type_info& type) noexcept : probe_(probe) {
      probe_.begin(type);
    }
    Watching(const Watching&) = delete;
    Watching& operator=(const Watching&) = delete;
    ~Watching() { probe_.end(); }

   private:
    StallProbe& probe_;
  };

  // Forgets the callable that runs, if any: its end will mean nothing. The watchdog must not be
  // looking.
  void forget() noexcept {
    enter(Phase::kBetween);
    ended_at_ = 0;
  }

  // ---- watchdog ----

  // The word as it was at one moment.
  class View {
   public:
    bool runs() const noexcept { return phase() == Phase::kRunning; }
    // Returns when the callable that runs, or ran last, began.
    TimePoint start() const noexcept {
      return TimePoint(Duration(static_cast<Duration::rep>(word_ >> kPhaseBits)));
    }
    bool operator==(const View&) const = default;

   private:
    friend StallProbe;
    explicit View(std::uint64_t word) : word_(word) {}
    Phase phase() const noexcept { return Phase{word_ & kPhaseMask}; }
    std::uint64_t word_;
  };

  View look() const noexcept { return View(word_.load()); }
  // Returns the type of a view's callable: valid if the view is claimed after this call, or was
  // claimed before and has not ended since.
  const std::type_info* type() const noexcept { return type_; }
  pid_t thread() const noexcept { return thread_; }

  // Claims the running callable of `view`, in order to report it; false if it has ended [P1].
  bool try_claim(View view) noexcept { return change(view, Phase::kReported); }
  // Makes the next callable post the semaphore; false if one has begun since `view` [P2].
  bool try_park(View view) noexcept { return change(view, Phase::kParked); }

  // Whether the claimed callable that began at `start` still runs.
  bool still_runs(TimePoint start) const noexcept {
    const View view = look();
    return view.phase() == Phase::kReported && view.start() == start;
  }
  // Whether the claimed callable has ended, and take_end() has not returned that yet.
  bool has_end() const noexcept { return ended_at_ != 0; }
  // Returns, once, the time at which the claimed callable ended.
  std::optional<TimePoint> take_end() noexcept {
    const Duration::rep end = ended_at_.exchange(0);
    if (end == 0) return std::nullopt;
    return TimePoint(Duration(end));
  }

 private:
  static constexpr int kPhaseBits = 2;
  static constexpr std::uint64_t kPhaseMask = 3;

  // Nanoseconds of uptime fit: 2^61 of them are 73 years.
  static std::uint64_t pack(Duration::rep start, Phase phase) noexcept {
    return (static_cast<std::uint64_t>(start) << kPhaseBits) | static_cast<std::uint64_t>(phase);
  }
  Phase enter(Phase phase) noexcept {
    return View(word_.exchange(pack(last_start_, phase))).phase();
  }
  bool change(View from, Phase to) noexcept {
    return word_.compare_exchange_strong(from.word_,
                                         pack(from.start().time_since_epoch().count(), to));
  }
  void tell_watchdog(Phase before, TimePoint now) noexcept {
    if (before == Phase::kReported) ended_at_ = now.time_since_epoch().count();
    if (before == Phase::kReported || before == Phase::kParked) watchdog_.post();
  }

  // Constant after construction.
  Semaphore& watchdog_;

  // Loop thread only.
  Duration::rep last_start_ = 0;

  // Shared.
  std::atomic<std::uint64_t> word_{0};
  std::atomic<const std::type_info*> type_{nullptr};
  std::atomic<pid_t> thread_{0};
  std::atomic<Duration::rep> ended_at_{0};  // of the claimed callable; 0: not yet
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_STALLS_STALL_PROBE_H_
