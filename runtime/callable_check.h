// Refuses null callables where they are given, not where they would be called.
//
// Threads: any.
// Errors: std::invalid_argument that names the call.
// Internal.

#ifndef ZMQLOOP_RUNTIME_CALLABLE_CHECK_H_
#define ZMQLOOP_RUNTIME_CALLABLE_CHECK_H_

#include <stdexcept>
#include <string>

#include "zmqloop/threading/one_shot.h"

namespace zmqloop {

// Throws if `f` is a null function pointer, an empty std::function or the like.
template <class F>
void require_callable(const char* operation, const F& f) {
  if (one_shot::is_null(f)) {
    throw std::invalid_argument(std::string(operation) + ": the callable is null");
  }
}

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_CALLABLE_CHECK_H_
