// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Fails a schedule at once, with a report, from any place in the code.

#ifndef ZMQLOOP_TESTS_SCHEDULE_FAILURE_H_
#define ZMQLOOP_TESTS_SCHEDULE_FAILURE_H_

#include <string_view>

namespace zmqloop::schedule {

// Prints `what`, the latest steps and the command that replays them, and ends the process: the
// stacks of the other threads cannot be unwound.
[[noreturn]] void fail(std::string_view what);

// Fails unless `holds`. `broken_promise` is the sentence to print: it says how the promise broke.
inline void require(bool holds, std::string_view broken_promise) {
  if (!holds) [[unlikely]]
    fail(broken_promise);
}

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_FAILURE_H_
