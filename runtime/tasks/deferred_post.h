// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A post that is prepared now and made by whoever completes what it waits for, such as a future.
//
//   future.on_ready(DeferredPost(core, callable));
//
// The memory for it is taken here, where its lack is told to who asks. Later it would be told to
// whoever completes the future, who can do nothing about it, and the callable would be lost.
//
// Threads: prepared on one, made on any, once.
// Owns: the callable, until it is posted; and its loop's core until then.
// Errors: preparing passes on what the callable's copy or move throws, and std::bad_alloc. Posting
// throws std::bad_alloc if there is no memory for a lane and Options::signal_slots posts of signal
// handlers wait as well: it would have counted as one of those.
// Internal.

#ifndef ZMQLOOP_RUNTIME_TASKS_DEFERRED_POST_H_
#define ZMQLOOP_RUNTIME_TASKS_DEFERRED_POST_H_

#include <memory>
#include <utility>

#include "zmqloop/runtime/core/loop_core.h"
#include "zmqloop/threading/mailbox/one_shot.h"

namespace zmqloop {

// What is posted.
template <class F>
struct DeferredCallable {
  std::shared_ptr<LoopCore> core;  // until it is posted: it is then in the core's own mailbox
  F callable;
  void operator()() { static_cast<void>(one_shot::invoke(callable)); }
};
template <class F>
struct one_shot::ReportedType<DeferredCallable<F>> : one_shot::ReportedType<F> {};

template <class F>
class DeferredPost {
 public:
  DeferredPost(std::shared_ptr<LoopCore> core, F callable)
      : prepared_(one_shot::box(DeferredCallable<F>{std::move(core), std::move(callable)})) {}

  void operator()() {
    const std::shared_ptr<LoopCore> core = std::move(prepared_.callable->core);
    static_cast<void>(core->post_even_without_memory(std::move(prepared_)));
  }

 private:
  one_shot::Boxed<DeferredCallable<F>> prepared_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_TASKS_DEFERRED_POST_H_
