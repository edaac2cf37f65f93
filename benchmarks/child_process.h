// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Runs this program again, to measure in a fresh process that has not allocated or freed memory.
//
// Threads: any.
// Errors: std::system_error if the program cannot be started, std::runtime_error if it fails.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_CHILD_PROCESS_H_
#define ZMQLOOP_BENCHMARKS_CHILD_PROCESS_H_

#include <string>

namespace zmqloop::bench {

// Runs this program with one argument, waits for its end, and returns its standard output.
std::string run_self(std::string argument);

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_CHILD_PROCESS_H_
