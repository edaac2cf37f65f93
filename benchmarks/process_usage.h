// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// What this process has used so far: CPU time, memory, and how often its threads slept.
//
// Threads: any.
// Errors: std::runtime_error if the kernel does not tell.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_PROCESS_USAGE_H_
#define ZMQLOOP_BENCHMARKS_PROCESS_USAGE_H_

#include <cstdint>

namespace zmqloop::bench {

// Returns the time, in nanoseconds, that all threads have run for.
double process_cpu_ns();

// Returns the memory that is in RAM and this process's, in bytes: exact, and slow to find out.
std::uint64_t resident_bytes();

// Returns how often the living threads, without the calling one, gave up the CPU to wait.
std::uint64_t voluntary_switches_of_others();

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_PROCESS_USAGE_H_
