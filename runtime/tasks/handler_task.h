// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Lets handlers return a Task or a Future: it runs to its end, and the poller ignores the
// registration meanwhile. Otherwise a level-triggered handler would be called again in each turn,
// until its task has read the data.
//
// Threads: loop thread.
// Owns: the callable, until the last of its tasks has ended, even if the handler was removed.
// Internal.

#ifndef ZMQLOOP_RUNTIME_TASKS_HANDLER_TASK_H_
#define ZMQLOOP_RUNTIME_TASKS_HANDLER_TASK_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "zmqloop/poller/events.h"
#include "zmqloop/poller/pollable.h"
#include "zmqloop/runtime/core/loop_core.h"
#include "zmqloop/runtime/tasks/callback_task.h"
#include "zmqloop/runtime/tasks/task.h"
#include "zmqloop/threading/mailbox/one_shot.h"

namespace zmqloop {

// Lets a handler be called again when its task ends, or is destroyed.
class HandlerTaskEnd {
 public:
  HandlerTaskEnd(LoopCore& core, std::uint64_t token) noexcept : core_(core), token_(token) {}
  HandlerTaskEnd(const HandlerTaskEnd&) = delete;
  HandlerTaskEnd& operator=(const HandlerTaskEnd&) = delete;
  ~HandlerTaskEnd() {
    call_on_loop(core_, [&core = core_, token = token_] { core.end_task(token); });
  }

 private:
  LoopCore& core_;
  const std::uint64_t token_;
};

// Its home is the handler's loop, to which it comes back even if the task that `f` returned has
// moved.
template <class F>
Task<void> await_handler(std::shared_ptr<F> f, LoopCore& core, std::uint64_t token,
                         Pollable pollable, Events events) {
  const HandlerTaskEnd end(core, token);
  if constexpr (std::is_invocable_v<F&, Pollable, Events>) {
    static_cast<void>(co_await end_of(std::invoke(*f, pollable, events)));
  } else {
    static_cast<void>(co_await end_of(std::invoke(*f)));
  }
}

template <class F>
class HandlerRunToEnd {
 public:
  template <class G>
  HandlerRunToEnd(LoopCore& core, G&& f)
      : core_(&core), f_(std::make_shared<F>(std::forward<G>(f))) {}
  void operator()(Pollable pollable, Events events) const {
    core_->begin_task([&](std::uint64_t token) {
      CallbackTask<F>::start(*core_, await_handler(f_, *core_, token, pollable, events));
    });
  }

 private:
  LoopCore* core_;
  std::shared_ptr<F> f_;
};

template <class F>
decltype(auto) run_handler_to_end(LoopCore& core, F&& f) {
  if constexpr (returns_async<std::decay_t<F>&, Pollable, Events>()) {
    return HandlerRunToEnd<std::decay_t<F>>(core, std::forward<F>(f));
  } else {
    static_cast<void>(core);
    return std::forward<F>(f);
  }
}

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_TASKS_HANDLER_TASK_H_
