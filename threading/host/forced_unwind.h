// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The exception by which pthread_exit() and pthread_cancel() unwind a stack. Always rethrow it.
//
//   try { f(); } catch (ForcedUnwind&) { throw; } catch (...) { report(); }
//
// There is no object: the reference is null, which UBSan reports unless you exempt the function.
//
// Threads: any.
// Internal.

#ifndef ZMQLOOP_THREADING_HOST_FORCED_UNWIND_H_
#define ZMQLOOP_THREADING_HOST_FORCED_UNWIND_H_

#include <cxxabi.h>

namespace zmqloop {

#ifdef __GLIBCXX__
using ForcedUnwind = abi::__forced_unwind;
#else
// With libc++abi a forced unwind passes every catch (...) unseen; nothing throws this type.
struct ForcedUnwind {};
#endif

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_FORCED_UNWIND_H_
