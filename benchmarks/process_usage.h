// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Reads the resource usage of this process: CPU time, memory, and how often its threads slept.
//
// Threads: any.
// Errors: std::runtime_error if the kernel does not report one.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_PROCESS_USAGE_H_
#define ZMQLOOP_BENCHMARKS_PROCESS_USAGE_H_

#include <cstdint>

namespace zmqloop::bench {

// Returns the CPU time of all threads together, in nanoseconds.
double process_cpu_ns();

// Returns the resident memory of this process, in bytes: exact, but slow to read.
std::uint64_t resident_bytes();

// Returns how often the living threads, except the calling one, gave up the CPU to wait.
std::uint64_t voluntary_switches_of_others();

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_PROCESS_USAGE_H_
