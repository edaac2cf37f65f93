// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A post that is prepared now and made later, by the thread that completes a future, for example.
//
//   future.on_ready(DeferredPost(core, callable));
//
// Allocates up front, so that the caller sees std::bad_alloc. Later it would hit the thread that
// completes the future, which can do nothing about it, and the callable would be lost.
//
// Threads: prepared on one, made on any, once.
// Owns: the callable, until it is posted; and its loop's core until then.
// Errors: preparing throws the exceptions of the callable's copy or move, and std::bad_alloc.
// Posting without memory for a lane counts as a post of a signal handler: it throws std::bad_alloc
// if Options::signal_slots of those wait already.
// Internal.

#ifndef ZMQLOOP_RUNTIME_TASKS_DEFERRED_POST_H_
#define ZMQLOOP_RUNTIME_TASKS_DEFERRED_POST_H_

#include <memory>
#include <utility>

#include "zmqloop/runtime/core/loop_core.h"
#include "zmqloop/threading/mailbox/one_shot.h"

namespace zmqloop {

// The posted callable.
template <class F>
struct DeferredCallable {
  std::shared_ptr<LoopCore> core;  // null once posted: the core's own mailbox then holds this
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
