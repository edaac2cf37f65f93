// One call of IOLoop::run_sync(): the function, and which of its four outcomes came.
//
// Threads: loop thread only. A future that the function returned may complete anywhere; its
// completion is posted to the loop. One that completes too late finds the call ended and does
// nothing. Internal.

#ifndef ZMQLOOP_RUNTIME_SYNC_CALL_H_
#define ZMQLOOP_RUNTIME_SYNC_CALL_H_

#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "zmqloop/runtime/deferred_post.h"
#include "zmqloop/runtime/future.h"
#include "zmqloop/runtime/loop_core.h"
#include "zmqloop/runtime/task.h"

namespace zmqloop {

class SyncCallBase : public std::enable_shared_from_this<SyncCallBase> {
 public:
  virtual ~SyncCallBase() = default;

  // Calls the function, unless the call has ended meanwhile.
  virtual void begin(const std::shared_ptr<LoopCore>& core, const std::string& loop_name) = 0;

  // The run that waits for this call ends when this is true.
  const bool& ended() const noexcept { return ended_; }
  bool timed_out() const noexcept { return timed_out_; }

  void time_out() noexcept {
    timed_out_ = !ended_;
    ended_ = true;
  }
  // The outcome is there, or the run has ended without it: whatever comes later is ignored.
  void end() noexcept { ended_ = true; }

 protected:
  bool ended_ = false;
  bool timed_out_ = false;
};

template <class T>
struct SyncValue {
  using type = T;
};
template <class T>
struct SyncValue<Future<T>> {
  using type = T;
};
template <class T>
struct SyncValue<Task<T>> {
  using type = T;
};
// What run_sync() returns for a function: its result, or that of the future or task it returns.
template <class F>
using SyncResult = typename SyncValue<std::decay_t<std::invoke_result_t<std::decay_t<F>&>>>::type;

template <class F>
class SyncCall : public SyncCallBase {
  using Returned = std::decay_t<std::invoke_result_t<F&>>;

 public:
  template <class G>
  explicit SyncCall(G&& f) : f_(std::forward<G>(f)) {}

  void begin(const std::shared_ptr<LoopCore>& core, const std::string& loop_name) override {
    if (ended_) return;
    Promise<SyncResult<F>> outcome;
    future_ = outcome.get_future();
    if constexpr (kIsFuture<Returned> || kIsTask<Returned>) {
      try {
        if constexpr (kIsTask<Returned>) {
          future_ = SpawnedTask<SyncResult<F>>::start(core, f_(), loop_name);
        } else {
          future_ = f_();
        }
        if (!future_.valid()) {
          throw std::logic_error(
              "IOLoop::run_sync: the function returned a future that refers to nothing");
        }
      } catch (...) {
        future_ = outcome.get_future();
        outcome.set_exception(std::current_exception());
      }
    } else {
      outcome.set_from(f_);
    }
    if (future_.is_ready()) {
      end();
      return;
    }
    future_.on_ready(DeferredPost(core, [self = shared_from_this()] { self->end(); }));
  }

  // Copies where it can: the function may have kept a future for the same result.
  SyncResult<F> result() const { return future_.get(); }

 private:
  F f_;
  Future<SyncResult<F>> future_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_SYNC_CALL_H_
