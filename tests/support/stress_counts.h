// How much a stress test does: all of it in an optimised build, less where each step costs more.

#ifndef ZMQLOOP_TESTS_SUPPORT_STRESS_COUNTS_H_
#define ZMQLOOP_TESTS_SUPPORT_STRESS_COUNTS_H_

#include <cstdint>

namespace zmqloop::testing {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr std::uint64_t kStressDivisor = 200;
#elif !defined(__OPTIMIZE__)
inline constexpr std::uint64_t kStressDivisor = 10;
#else
inline constexpr std::uint64_t kStressDivisor = 1;
#endif

// Returns `full` in an optimised build, and a part of it in others.
constexpr std::uint64_t stress_count(std::uint64_t full) { return full / kStressDivisor; }

}  // namespace zmqloop::testing

#endif  // ZMQLOOP_TESTS_SUPPORT_STRESS_COUNTS_H_
