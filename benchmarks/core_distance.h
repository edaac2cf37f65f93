// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Measures the time that a cache line currently takes from one core to another.
//
// The host of a virtual machine moves its CPUs about: onto two threads of one core, onto two cores
// that share a cache, or onto cores of two caches. A hand-over from core to core then takes 15, 40
// or 230 ns, for every library alike. Measured beside each result, the time shows which results can
// be compared.
//
// Threads: any; starts two of its own.
// Errors: std::system_error from starting or pinning a thread.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_CORE_DISTANCE_H_
#define ZMQLOOP_BENCHMARKS_CORE_DISTANCE_H_

namespace zmqloop::bench {

// Returns nanoseconds, from the first usable CPU to the second; 0 if there is only one. Takes about
// a millisecond.
double core_distance_ns();

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_CORE_DISTANCE_H_
