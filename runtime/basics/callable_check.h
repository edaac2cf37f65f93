// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Refuses bad callables when a caller passes them, not when they would be called. One of the wrong
// shape does not compile, on the caller's own line; a null one throws at once.
//
// Threads: any.
// Errors: std::invalid_argument that names the call.
// Internal; the concepts are part of the signatures of IOLoop.

#ifndef ZMQLOOP_RUNTIME_BASICS_CALLABLE_CHECK_H_
#define ZMQLOOP_RUNTIME_BASICS_CALLABLE_CHECK_H_

#include <stdexcept>
#include <string>
#include <type_traits>

#include "zmqloop/threading/mailbox/one_shot.h"

namespace zmqloop {

// Can be called once with these arguments, which are bound to it as std::thread binds them.
template <class F, class... A>
concept CallableWith = std::is_invocable_v<std::decay_t<F>, std::decay_t<A>...> ||
                       (sizeof...(A) == 0 && std::is_invocable_v<std::decay_t<F>&>);

// Can be called any number of times, with these arguments or with none.
template <class F, class... A>
concept CallableWithOrWithout =
    std::is_invocable_v<std::decay_t<F>&, A...> || std::is_invocable_v<std::decay_t<F>&>;

// Can be called any number of times, with these arguments.
template <class F, class... A>
concept CallableAgainWith = std::is_invocable_v<std::decay_t<F>&, A...>;

// Throws if `f` is a null function pointer, an empty std::function or the like.
template <class F>
void require_callable(const char* operation, const F& f) {
  if (one_shot::is_null(f)) {
    throw std::invalid_argument(std::string(operation) + ": the callable is null");
  }
}

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_BASICS_CALLABLE_CHECK_H_
