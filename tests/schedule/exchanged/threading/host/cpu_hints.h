// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The hints of the library's threading/host/cpu_hints.h for simulated threads: a waiting thread
// lets others go first.

#ifndef ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_THREADING_HOST_CPU_HINTS_H_
#define ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_THREADING_HOST_CPU_HINTS_H_

#include "tests/schedule/thread.h"

namespace zmqloop {

inline void cpu_relax() noexcept { schedule::yield(); }
inline void yield_core() noexcept { schedule::yield(); }
inline void rest_core() noexcept { schedule::yield(); }
inline void prefetch_to_read(const void*) noexcept {}
inline void prefetch_to_write(const void*) noexcept {}

}  // namespace zmqloop

#endif  // ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_THREADING_HOST_CPU_HINTS_H_
