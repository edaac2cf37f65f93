// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// What pthread_exit() and pthread_cancel() unwind a thread's stack with. It must not be kept.
//
//   try { f(); } catch (ForcedUnwind&) { throw; } catch (...) { … }
//
// It is no object: the reference is null, which UBSan takes for a mistake unless told otherwise.
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
// With libc++abi it passes by every catch (...) unseen; nothing throws this.
struct ForcedUnwind {};
#endif

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_FORCED_UNWIND_H_
