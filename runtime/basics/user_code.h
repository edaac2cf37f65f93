// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Calls of user code, which may throw.
//
// Threads: any.
// Internal.

#ifndef ZMQLOOP_RUNTIME_BASICS_USER_CODE_H_
#define ZMQLOOP_RUNTIME_BASICS_USER_CODE_H_

#include "zmqloop/threading/host/forced_unwind.h"

namespace zmqloop {

// Calls `user_code`; if that throws, calls `on_exception` from within the handler. Returns whether
// `user_code` returned. A thread that is being cancelled unwinds through it. (There is no exception
// object then, which UBSan takes for a null reference.)
template <class UserCode, class OnException>
__attribute__((no_sanitize("null"))) bool returned(UserCode user_code, OnException on_exception) {
  try {
    user_code();
    return true;
  } catch (ForcedUnwind&) {
    throw;
  } catch (...) {
    on_exception();
    return false;
  }
}

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_BASICS_USER_CODE_H_
