// A timer of a loop that belongs to an object: what DelayedCallback and PeriodicCallback stand on.
//
// Threads: the loop's, as for its timers; before the loop runs, the thread that sets it up.
// Owns: itself, while it is armed or runs, together with the object it belongs to.
// Errors: those of IOLoop::add_timeout() and remove_timeout(); LoopClosedError.
// Internal.

#ifndef ZMQLOOP_RUNTIME_OWNED_TIMER_H_
#define ZMQLOOP_RUNTIME_OWNED_TIMER_H_

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "zmqloop/runtime/current_loop.h"
#include "zmqloop/runtime/io_loop.h"
#include "zmqloop/runtime/timeout_handle.h"
#include "zmqloop/runtime/times.h"
#include "zmqloop/threading/one_shot.h"

namespace zmqloop {

// What can be called more than once, with no arguments.
template <class F>
concept TimerCallable = requires(std::decay_t<F> f) {
  std::invoke(f);
};

// What DelayedCallback and PeriodicCallback have in common: at most one armed timer, on a loop that
// may go first. Held by its owner and by the timer while that is armed or runs, so that neither
// needs the other to live.
class OwnedTimer : public std::enable_shared_from_this<OwnedTimer> {
 public:
  OwnedTimer(const OwnedTimer&) = delete;
  OwnedTimer& operator=(const OwnedTimer&) = delete;
  virtual ~OwnedTimer() = default;

  // The timer is due.
  virtual void fire() = 0;

  bool is_running() const noexcept { return running_ && open_loop() != nullptr; }
  void stop();
  // stop() for destructors, of which nobody knows on which thread they run.
  void abandon() noexcept;

 protected:
  explicit OwnedTimer(IOLoop* loop);

  // Adds a timer that calls fire(), under the name of the user's callable.
  virtual TimeoutHandle add_timer(IOLoop& loop, TimePoint deadline) = 0;

  // Returns the loop to start on: the chosen one, else the current one.
  std::shared_ptr<LoopIdentity> loop_for(const char* operation) const;
  // Returns the loop it was started on last; null if it is closed or destroyed, or there is none.
  IOLoop* open_loop() const noexcept;
  const std::shared_ptr<LoopIdentity>& started_on() const noexcept { return started_on_; }
  // With no timer armed; if it throws, nothing has changed.
  void arm(std::shared_ptr<LoopIdentity> loop, TimePoint deadline);
  void set_running(bool running) noexcept { running_ = running; }
  // Throws on another thread while the loop runs. With no timer armed.
  void check_thread() const;

 private:
  // Constant after construction: null if it is the current one at each start.
  const std::shared_ptr<LoopIdentity> chosen_;

  // Written by starts alone; read by abandon() on whatever thread the owner ends.
  std::shared_ptr<LoopIdentity> started_on_;

  // Loop thread only.
  TimeoutHandle timer_;
  bool running_ = false;
};

// What the loop holds of an OwnedTimer.
template <class F>
struct OwnedTimerShot {
  std::shared_ptr<OwnedTimer> timer;
  void operator()() { timer->fire(); }
};
template <class F>
struct one_shot::ReportedType<OwnedTimerShot<F>> : one_shot::ReportedType<F> {};

// An OwnedTimer of kind Base with the callable that it calls.
template <class Base, class F>
class OwnedTimerOf : public Base {
 public:
  template <class G, class... A>
  explicit OwnedTimerOf(G&& f, A&&... arguments)
      : Base(std::forward<A>(arguments)...), f_(std::forward<G>(f)) {}

 protected:
  TimeoutHandle add_timer(IOLoop& loop, TimePoint deadline) final {
    return loop.call_at(deadline, OwnedTimerShot<F>{this->shared_from_this()});
  }
  F f_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_OWNED_TIMER_H_
