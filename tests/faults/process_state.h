// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Counts the open descriptors and threads of a process, to find leaks.
//
// Threads: one at a time.
// Errors: std::system_error if the kernel does not give the counts.
// Internal.

#ifndef ZMQLOOP_TESTS_FAULTS_PROCESS_STATE_H_
#define ZMQLOOP_TESTS_FAULTS_PROCESS_STATE_H_

#include <filesystem>
#include <map>
#include <optional>
#include <poll.h>
#include <string>
#include <system_error>

#include "tests/support/process_facts.h"

namespace zmqloop::faults {

struct ProcessState {
  int descriptors = 0;
  int threads = 0;

  bool within(const ProcessState& limit) const {
    return descriptors <= limit.descriptors && threads <= limit.threads;
  }
};

// Does not count the descriptor that reads /proc/self/fd.
inline ProcessState process_state() {
  return {static_cast<int>(testing::open_descriptors()) - 1,
          static_cast<int>(testing::living_threads())};
}

// Waits until the process holds no more than `limit`; without a limit, until it holds no less than
// a moment ago. Needed because libzmq closes sockets on a thread of its own, and because the kernel
// still lists a thread for a moment after it is joined. Returns the final state.
inline ProcessState settled(const std::optional<ProcessState>& limit) {
  constexpr int kMillisecondsBetweenLooks = 10;
  constexpr int kLooks = 200;
  ProcessState before = process_state();
  for (int i = 0; i < kLooks && !(limit && before.within(*limit)); ++i) {
    ::poll(nullptr, 0, kMillisecondsBetweenLooks);
    const ProcessState now = process_state();
    if (!limit && before.within(now)) break;
    before = now;
  }
  return before;
}

// Returns the kinds of open descriptors with their counts: "anon_inode:[eventfd] x 5, …".
inline std::string kinds_of_descriptors() {
  std::map<std::string, int> kinds;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    ++kinds[std::filesystem::read_symlink(entry, gone).string()];
  }
  std::string text;
  for (const auto& [kind, count] : kinds) {
    text += (text.empty() ? "" : ", ") + kind + " x " + std::to_string(count);
  }
  return text;
}

}  // namespace zmqloop::faults

#endif  // ZMQLOOP_TESTS_FAULTS_PROCESS_STATE_H_
