// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// How long a cache line takes from one core to another, now.
//
// A virtual machine's host moves its CPUs about: onto two threads of one core, onto cores of one
// cache, or of two. Whatever is handed from core to core then takes 15, 40 or 230 ns, for every
// library alike. Measured beside each result, this tells which results compare.
//
// Threads: any; starts one of its own.
// Errors: std::system_error from starting or pinning a thread.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_CORE_DISTANCE_H_
#define ZMQLOOP_BENCHMARKS_CORE_DISTANCE_H_

namespace zmqloop::bench {

// Returns nanoseconds, from the first usable CPU to the second; 0 if there is but one. Takes about
// a millisecond.
double core_distance_ns();

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_CORE_DISTANCE_H_
