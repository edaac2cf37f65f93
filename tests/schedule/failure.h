// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// How a schedule fails: with a report, at once, from wherever it is noticed.

#ifndef ZMQLOOP_TESTS_SCHEDULE_FAILURE_H_
#define ZMQLOOP_TESTS_SCHEDULE_FAILURE_H_

#include <string_view>

namespace zmqloop::schedule {

// Reports what went wrong, the latest steps and the command that replays them, and ends the
// process: the other threads' stacks cannot be unwound.
[[noreturn]] void fail(std::string_view what);

// Fails unless `holds`. What a scenario promises, in a sentence that is false when it does not.
inline void require(bool holds, std::string_view broken_promise) {
  if (!holds) [[unlikely]]
    fail(broken_promise);
}

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_FAILURE_H_
