// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Raises this process's limit on open descriptors, for the benchmarks that need many.
//
// Threads: any.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_DESCRIPTOR_LIMIT_H_
#define ZMQLOOP_BENCHMARKS_DESCRIPTOR_LIMIT_H_

#include <cstddef>

namespace zmqloop::bench {

// Raises the limit as far as this process may; returns the new limit.
std::size_t raise_descriptor_limit();

// Returns whether `count` descriptors can be opened beside the few that every program has. If not,
// says on standard error that `for_what` is left out.
bool can_open_descriptors(std::size_t count, const char* for_what);

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_DESCRIPTOR_LIMIT_H_
