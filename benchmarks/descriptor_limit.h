// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The limit on open descriptors of this process, which the benchmarks with many of them need.
//
// Threads: any.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_DESCRIPTOR_LIMIT_H_
#define ZMQLOOP_BENCHMARKS_DESCRIPTOR_LIMIT_H_

#include <cstddef>

namespace zmqloop::bench {

// Raises the limit as far as this process may; returns what it is then.
std::size_t raise_descriptor_limit();

// Returns whether so many can be opened beside the few that every program has; says so on standard
// error if not, naming what must go without.
bool can_open_descriptors(std::size_t count, const char* for_what);

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_DESCRIPTOR_LIMIT_H_
