// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A callable that waits for a future, together with that future, its argument.
//
// Threads: a value.
// Internal.

#ifndef ZMQLOOP_RUNTIME_FUTURES_FUTURE_CALLBACK_H_
#define ZMQLOOP_RUNTIME_FUTURES_FUTURE_CALLBACK_H_

#include <utility>

#include "zmqloop/runtime/futures/future.h"
#include "zmqloop/threading/mailbox/one_shot.h"

namespace zmqloop {

// While this waits inside the future's own state, the two hold each other. The promise ends that:
// it sets a value or is dropped.
template <class T, class F>
struct FutureCallback {
  F f;
  Future<T> future;
  decltype(auto) operator()() { return f(std::move(future)); }
};
template <class T, class F>
struct one_shot::ReportedType<FutureCallback<T, F>> : one_shot::ReportedType<F> {};

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_FUTURES_FUTURE_CALLBACK_H_
