// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Tells whether a callable returns a Task or a Future: work that goes on after it has returned.
//
//   AsyncResult<int>::kIsAsync               // false
//   AsyncResult<Task<int>>::value_type       // int: what co_await gives
//
// Each kind specialises it beside its own definition.
//
// Internal.

#ifndef ZMQLOOP_RUNTIME_BASICS_ASYNC_RESULT_H_
#define ZMQLOOP_RUNTIME_BASICS_ASYNC_RESULT_H_

#include <type_traits>

namespace zmqloop {

template <class R>
struct AsyncResult {
  static constexpr bool kIsAsync = false;
  using value_type = R;
};

// Whether an F, called with A, returns a Task or Future.
template <class F, class... A>
inline constexpr bool kReturnsAsync = AsyncResult<std::decay_t<std::invoke_result_t<F, A...>>>::kIsAsync;

// The final result of F, after a Task or Future.
template <class F, class... A>
using AwaitedResult =
    typename AsyncResult<std::decay_t<std::invoke_result_t<F, A...>>>::value_type;

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_BASICS_ASYNC_RESULT_H_
