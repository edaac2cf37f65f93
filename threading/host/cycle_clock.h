// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A clock for differences of microseconds that costs only a few nanoseconds to read.
//
// Its unit is not exact: ticks of the processor's time stamp counter (2 to 5 per nanosecond) where
// one is cheap to read, else nanoseconds. Use it to tell soon from late.
//
// Threads: any; readings of different cores are comparable only where the kernel trusts the
// counter, so a wrong difference must never do harm.
// Errors: none.
// Internal.

#ifndef ZMQLOOP_THREADING_HOST_CYCLE_CLOCK_H_
#define ZMQLOOP_THREADING_HOST_CYCLE_CLOCK_H_

#include <chrono>
#include <cstdint>

namespace zmqloop {

#if defined(__x86_64__) || defined(__i386__)
inline std::uint64_t cycles() noexcept { return __builtin_ia32_rdtsc(); }
inline constexpr std::uint64_t kCyclesPerMicrosecond = 3'000;  // 2,000 to 5,000
#else
inline std::uint64_t cycles() noexcept {
  return static_cast<std::uint64_t>(
      std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}
inline constexpr std::uint64_t kCyclesPerMicrosecond = 1'000;
#endif

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_CYCLE_CLOCK_H_
