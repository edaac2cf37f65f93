// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The library's threading/host/process_fence.h on a kernel that cannot fence other threads.

#ifndef ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_THREADING_HOST_PROCESS_FENCE_H_
#define ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_THREADING_HOST_PROCESS_FENCE_H_

namespace zmqloop {

inline bool can_fence_process() noexcept { return false; }
inline bool fence_process() noexcept { return false; }

}  // namespace zmqloop

#endif  // ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_THREADING_HOST_PROCESS_FENCE_H_
