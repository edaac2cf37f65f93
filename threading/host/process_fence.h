// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Lets one thread make a fence in every thread of the process: the others need none of their own.
//
// If two threads each store one word and then load the other's word, both need a fence between
// store and load. If one of them does so a million times as often, the rare one can pay for both.
//
// Threads: any.
// Errors: false if the kernel cannot (before 4.14) or may not (a filter of system calls).
// Internal.

#ifndef ZMQLOOP_THREADING_HOST_PROCESS_FENCE_H_
#define ZMQLOOP_THREADING_HOST_PROCESS_FENCE_H_

namespace zmqloop {

// Returns whether fence_process() works. Constant for the life of the process and in its children.
bool can_fence_process() noexcept;

// Makes each thread of the process, the caller included, pass a full fence before this returns.
// Costs some microseconds. Returns false if the kernel refused, as with a filter installed since.
[[nodiscard]] bool fence_process() noexcept;

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_PROCESS_FENCE_H_
