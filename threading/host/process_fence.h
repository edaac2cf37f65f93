// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A fence in every thread of the process, made by one of them: the many need none of their own.
//
// Where two threads each store one word and then load the other's, both need a fence between the
// two. If one of them does so a million times as often, the rare one can pay for both.
//
// Threads: any.
// Errors: false where the kernel cannot (before 4.14) or may not (a filter of system calls).
// Internal.

#ifndef ZMQLOOP_THREADING_HOST_PROCESS_FENCE_H_
#define ZMQLOOP_THREADING_HOST_PROCESS_FENCE_H_

namespace zmqloop {

// Returns whether fence_process() works. Constant while the process lives, in its children too.
bool can_fence_process() noexcept;

// Has each thread of the process pass a full fence before this returns, the calling one included.
// Costs some microseconds. False if the kernel refused, which it may have learned to since.
[[nodiscard]] bool fence_process() noexcept;

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_PROCESS_FENCE_H_
