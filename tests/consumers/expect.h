// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// What the programs here say and count: no test framework, as in a user's first program.

#ifndef ZMQLOOP_TESTS_CONSUMERS_EXPECT_H_
#define ZMQLOOP_TESTS_CONSUMERS_EXPECT_H_

#include <cstdio>

// Adds one to `failures`, and says which condition is false and where.
#define EXPECT(condition)                                                                 \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      ++failures;                                                                         \
      std::fprintf(stderr, "%s:%d: this is false: %s\n", __FILE__, __LINE__, #condition); \
    }                                                                                     \
  } while (false)

#endif  // ZMQLOOP_TESTS_CONSUMERS_EXPECT_H_
