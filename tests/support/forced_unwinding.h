// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Whether a test may let pthread_exit() or a cancellation unwind a thread's frames.
//
//   void SetUp() override { if (!kMayUnwind) GTEST_SKIP() << kWhyNoUnwinding; }
//
// AddressSanitizer does not notice such an end: it still guards the memory around variables of
// frames that are gone, and takes its own next steps on that thread for a breach. The other builds
// run these tests.
//
// Threads: constants.

#ifndef ZMQLOOP_TESTS_SUPPORT_FORCED_UNWINDING_H_
#define ZMQLOOP_TESTS_SUPPORT_FORCED_UNWINDING_H_

namespace zmqloop::testing {

#ifdef __SANITIZE_ADDRESS__
constexpr bool kMayUnwind = false;
#else
constexpr bool kMayUnwind = true;
#endif
constexpr const char* kWhyNoUnwinding = "AddressSanitizer does not hear of frames that are unwound";

}  // namespace zmqloop::testing

#endif  // ZMQLOOP_TESTS_SUPPORT_FORCED_UNWINDING_H_
