// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Runs this program again, to measure where nothing was allocated or freed before.
//
// Threads: any.
// Errors: std::system_error if it cannot be started, std::runtime_error if it fails.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_CHILD_PROCESS_H_
#define ZMQLOOP_BENCHMARKS_CHILD_PROCESS_H_

#include <string>

namespace zmqloop::bench {

// Runs it with one argument, waits for it, and returns what it wrote to standard output.
std::string run_self(std::string argument);

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_CHILD_PROCESS_H_
