// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Checks the promises of the library for the fuzzers. A broken promise ends the process, which a
// fuzzer notices.

#ifndef ZMQLOOP_TESTS_FUZZ_PROMISE_H_
#define ZMQLOOP_TESTS_FUZZ_PROMISE_H_

#include <cstdio>
#include <cstdlib>

namespace zmqloop::fuzz {

inline void require(bool kept, const char* promise) {
  if (kept) return;
  std::fprintf(stderr, "BROKEN: %s\n", promise);
  std::abort();
}

}  // namespace zmqloop::fuzz

#endif  // ZMQLOOP_TESTS_FUZZ_PROMISE_H_
