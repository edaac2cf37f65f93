// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The signals that one loop handles: IOLoop::add_signal_handler().
//
// Threads: loop thread.
// Owns: the handlers, and through signal_dispatch.h the process's reaction to their signals.
// Errors: those of signal_dispatch.h; std::length_error when no signal slot is left.
// Internal.

#ifndef ZMQLOOP_RUNTIME_SIGNALS_SIGNAL_HANDLERS_H_
#define ZMQLOOP_RUNTIME_SIGNALS_SIGNAL_HANDLERS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

#include "zmqloop/runtime/core/loop_core.h"
#include "zmqloop/runtime/signals/signal_callback.h"
#include "zmqloop/threading/host/export.h"
#include "zmqloop/threading/host/fork_guard.h"
#include "zmqloop/threading/mailbox/one_shot.h"

namespace zmqloop {

// Binds the signal's number to a handler, which may take it or nothing.
template <class F>
struct OnSignal {
  F f;
  int signum;
  decltype(auto) operator()() {
    if constexpr (std::is_invocable_v<F&, int>) {
      return f(signum);
    } else {
      return f();
    }
  }
};
template <class F>
struct one_shot::ReportedType<OnSignal<F>> : one_shot::ReportedType<F> {};

class SignalHandlers {
 public:
  SignalHandlers() {}
  SignalHandlers(const SignalHandlers&) = delete;
  SignalHandlers& operator=(const SignalHandlers&) = delete;
  // In a forked child, leaves the handlers as the parent's thread left them, perhaps half changed.
  ~SignalHandlers() {
    if (generation_ != fork_generation()) return;
    clear();
    std::destroy_at(&handlers_);
  }

  // Throws std::invalid_argument if no handler may be added for this signal.
  ZMQLOOP_EXPORT static void require_handleable(int signum);

  // Makes the loop call `run()` once for each signal; replaces an earlier handler. Call
  // require_handleable() first, before you move anything into `run`.
  template <class F>
  void add(std::shared_ptr<LoopCore> core, int signum, F&& run, std::string_view loop_name) {
    add_erased(signum, SignalCallback(std::move(core), PreparedCallback::Calls::kOnceForEach,
                                      std::forward<F>(run), "IOLoop::add_signal_handler",
                                      loop_name));
  }
  // Returns whether there was a handler. It will not be called any more.
  bool remove(int signum) noexcept;
  ZMQLOOP_EXPORT void clear() noexcept;

 private:
  ZMQLOOP_EXPORT void add_erased(int signum, SignalCallback handler);

  const std::uint32_t generation_ = fork_generation();
  union {  // destroyed above
    std::map<int, SignalCallback> handlers_ = {};
  };
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_SIGNALS_SIGNAL_HANDLERS_H_
