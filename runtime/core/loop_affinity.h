// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Guards a loop against wrong threads: says which one may run it, set it up or close it now.
//
// A loop of the user's own is at rest between its runs: then any one thread at a time may set it
// up. A loop of a LoopThread or LoopPool belongs to its thread for life, from its construction
// until that thread has closed it.
//
//   at rest  --take_to_run()-->  running  --end_run()-->  at rest  --take_to_close()-->  closed
//
// Threads: any. Outlives the loop, together with its LoopCore.
// Errors: std::logic_error names both threads; LoopClosedError.
// Internal.

#ifndef ZMQLOOP_RUNTIME_CORE_LOOP_AFFINITY_H_
#define ZMQLOOP_RUNTIME_CORE_LOOP_AFFINITY_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

#include "zmqloop/threading/host/export.h"
#include "zmqloop/threading/host/fork_guard.h"
#include "zmqloop/threading/host/thread_checker.h"
#include "zmqloop/threading/mailbox/claim.h"

namespace zmqloop {

class LoopAffinity {
 public:
  enum class Owner : bool { kUser, kItsThread };

  LoopAffinity(std::string name, Owner owner) : name_(std::move(name)), owner_(owner) {}
  LoopAffinity(const LoopAffinity&) = delete;
  LoopAffinity& operator=(const LoopAffinity&) = delete;

  // ---- any thread ----

  const std::string& name() const noexcept { return name_; }
  // Whether the calling process was forked from the one that made the loop.
  bool is_foreign() const noexcept { return generation_ != fork_generation(); }
  bool is_running() const noexcept { return state_ == State::kRunning && !is_foreign(); }
  bool is_closed() const noexcept { return state_ == State::kClosed || is_foreign(); }
  // Whether the calling thread runs the loop, closes it, or owns it for life.
  bool is_here() const noexcept { return thread_.is_bound_here(); }
  // Returns "thread 1234 (name)" of the thread that has the loop, or had it last.
  std::string thread_label() const { return thread_.bound_label(); }

  // Throws std::logic_error in a forked child.
  void require_process(const char* operation) const;
  // Throws std::logic_error while the loop is open and another thread owns it for life.
  void require_owner(const char* operation) const;

  // The effect of a call once the loop is closed.
  enum class AfterClose : bool { kThrows, kNothing };

  // Held by each call that belongs to the loop's thread, while it uses timers or handlers.
  class Access {
   public:
    Access(LoopAffinity& affinity, const char* operation,
           AfterClose after_close = AfterClose::kThrows)
        : affinity_(affinity), kind_(affinity.enter()) {
      if (kind_ == Kind::kNone) [[unlikely]]
        kind_ = affinity.open(operation, after_close);
    }
    Access(const Access&) = delete;
    Access& operator=(const Access&) = delete;
    ~Access() {
      if (kind_ == Kind::kSetUp) [[unlikely]]
        affinity_.setting_up_.drop();
    }
    // False: the loop is closed, with nothing left to use.
    bool is_granted() const noexcept { return kind_ != Kind::kNone; }

   private:
    friend class LoopAffinity;
    enum class Kind : unsigned char { kOwn, kSetUp, kNone };

    LoopAffinity& affinity_;
    Kind kind_;
  };

  // The outcome of try_use().
  enum class Use : unsigned char { kDone, kElsewhere, kClosed };

  // Calls `f`, which uses timers and runs no user code, if no other thread may use them at this
  // moment. Never waits. For destructors, which may run on any thread.
  template <class F>
  Use try_use(F f) noexcept {
    if (is_closed()) return Use::kClosed;
    if (is_here()) {
      f();
      return Use::kDone;
    }
    State at_rest = State::kIdle;
    if (owner_ == Owner::kItsThread || !state_.compare_exchange_strong(at_rest, State::kHeld)) {
      return Use::kElsewhere;
    }
    // A thread that sets the loop up takes setting_up_ before it looks at the state, see enter().
    const void* const setting_up = setting_up_.holder();
    const bool is_free = setting_up == nullptr || setting_up == ThreadChecker::here();
    if (is_free) f();
    state_ = State::kIdle;
    return is_free ? Use::kDone : Use::kElsewhere;
  }

  // ---- the thread that runs, closes or owns the loop ----

  // Binds the loop to the calling thread and marks it as running. Throws if it runs already, is
  // closed or belongs to another thread.
  void take_to_run(const char* operation);
  void end_run() noexcept;
  // Makes end_run() never return: the process ends. Any thread.
  void keep_after_run() noexcept { is_kept_after_run_ = true; }
  // Binds the loop in order to close it; false if it is closed, or being closed, already.
  bool take_to_close(const char* operation);
  void end_close() noexcept;

  // Binds the loop to its own thread for life, until it is closed.
  void begin_ownership() noexcept { thread_.bind(); }
  void end_ownership() noexcept { thread_.unbind(); }

 private:
  // kHeld lasts a few instructions: a thread is about to take the loop, or is in try_use().
  enum class State : unsigned char { kIdle, kHeld, kRunning, kClosed };

  bool is_owned_elsewhere() const noexcept { return owner_ == Owner::kItsThread && !is_here(); }
  bool is_set_up_here() const noexcept { return setting_up_.is_held_by(ThreadChecker::here()); }
  // Enters a loop that runs here, or a user's loop at rest that this thread has not entered yet;
  // else returns kNone. Makes no calls, so that arming a timer need not save registers.
  Access::Kind enter() noexcept {
    if (!is_generation(generation_)) return Access::Kind::kNone;
    const State state = state_;
    if (state == State::kRunning) return is_here() ? Access::Kind::kOwn : Access::Kind::kNone;
    if (state != State::kIdle || owner_ != Owner::kUser || is_set_up_here()) {
      return Access::Kind::kNone;
    }
    setting_up_.take(ThreadChecker::here());
    if (state_ == State::kIdle) [[likely]] return Access::Kind::kSetUp;
    setting_up_.drop();
    return Access::Kind::kNone;
  }
  ZMQLOOP_EXPORT Access::Kind open(const char* operation, AfterClose after_close);
  State take(State next) noexcept;
  void bind() noexcept;
  void unbind() noexcept;
  [[noreturn]] void throw_closed(const char* operation) const;
  [[noreturn]] void throw_running(const char* operation) const;
  [[noreturn]] void throw_wrong_thread(const char* operation, const char* instead) const;

  // Constant after construction.
  const std::string name_;
  const Owner owner_;
  const std::uint32_t generation_ = fork_generation();

  // Shared.
  std::atomic<State> state_{State::kIdle};         // the thread that takes kIdle has the loop
  ThreadChecker thread_;                           // bound while a thread has it
  Claim setting_up_;                               // by the thread that uses the loop at rest
  std::atomic<bool> is_kept_after_run_{false};
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_CORE_LOOP_AFFINITY_H_
