// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// How much a stress test does: all of it in an optimised build, less where each step costs more.

#ifndef ZMQLOOP_TESTS_SUPPORT_STRESS_COUNTS_H_
#define ZMQLOOP_TESTS_SUPPORT_STRESS_COUNTS_H_

#include <cstdint>

namespace zmqloop::testing {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define ZMQLOOP_SANITIZED
#endif

// Set by the build: the work of loops is divided by the first, that of mailboxes by the second.
struct StressDivisors {
  std::uint64_t loops;
  std::uint64_t mailboxes;
};
#if defined(ZMQLOOP_SANITIZED) && defined(ZMQLOOP_LONG_STRESS)  // bazel --config=long
inline constexpr StressDivisors kStressDivisors{10, 1};
#elif defined(ZMQLOOP_SANITIZED)
inline constexpr StressDivisors kStressDivisors{200, 20};
#elif !defined(__OPTIMIZE__)
inline constexpr StressDivisors kStressDivisors{10, 1};
#else
inline constexpr StressDivisors kStressDivisors{1, 1};
#endif

// Returns `full` in an optimised build, and a part of it in others.
constexpr std::uint64_t stress_count(std::uint64_t full) { return full / kStressDivisors.loops; }
// The same for steps that cost little even in those builds.
constexpr std::uint64_t light_stress_count(std::uint64_t full) {
  return full / kStressDivisors.mailboxes;
}

}  // namespace zmqloop::testing

#endif  // ZMQLOOP_TESTS_SUPPORT_STRESS_COUNTS_H_
