// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The library's threading/host/fork_guard.h for a process that is never forked.

#ifndef ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_THREADING_HOST_FORK_GUARD_H_
#define ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_THREADING_HOST_FORK_GUARD_H_

#include <cstdint>

namespace zmqloop {

inline constexpr std::uint32_t kFirstGeneration = 1;

inline std::uint32_t fork_generation() noexcept { return kFirstGeneration; }

class ForkGuard {
 public:
  using InChild = void (*)(void* context) noexcept;
  ForkGuard(InChild, void*) {}
  static const ForkGuard& for_good(InChild in_child) {
    static const ForkGuard guard(in_child, nullptr);
    return guard;
  }
  bool is_foreign() const noexcept { return false; }
};

}  // namespace zmqloop

#endif  // ZMQLOOP_TESTS_SCHEDULE_EXCHANGED_THREADING_HOST_FORK_GUARD_H_
