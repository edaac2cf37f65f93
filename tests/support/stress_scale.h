// How much of a stress test fits into an instrumented build.

#ifndef ZMQLOOP_TESTS_SUPPORT_STRESS_SCALE_H_
#define ZMQLOOP_TESTS_SUPPORT_STRESS_SCALE_H_

#include <cstdint>

namespace zmqloop::testing {

// Returns `count`, or a twentieth of it under a sanitizer.
constexpr std::uint64_t stress_count(std::uint64_t count) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return count / 20;
#else
  return count;
#endif
}

}  // namespace zmqloop::testing

#endif  // ZMQLOOP_TESTS_SUPPORT_STRESS_SCALE_H_
