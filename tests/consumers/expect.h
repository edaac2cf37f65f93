// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Reports and counts failures in these programs, which use no test framework, like a user's first
// program.

#ifndef ZMQLOOP_TESTS_CONSUMERS_EXPECT_H_
#define ZMQLOOP_TESTS_CONSUMERS_EXPECT_H_

#include <cstdio>

// If the condition is false, adds one to `failures` and prints the condition and its place.
#define EXPECT(condition)                                                                 \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      ++failures;                                                                         \
      std::fprintf(stderr, "%s:%d: this is false: %s\n", __FILE__, __LINE__, #condition); \
    }                                                                                     \
  } while (false)

#endif  // ZMQLOOP_TESTS_CONSUMERS_EXPECT_H_
