// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Finds out whether enough descriptors are free before libzmq finds out that they are not.
//
// libzmq aborts the process when it meets EMFILE in the wrong place (RLIMIT_NOFILE 5 to 7 while a
// context starts). So whoever is about to make a context or a socket asks here first.
//
// Threads: any thread. The answer holds until another thread opens something: ask close to the use.
// Errors: std::system_error (EMFILE, ENFILE, ENOMEM) telling how many are needed, the limit and the
//         remedy.
// Internal.

#ifndef ZMQLOOP_THREADING_HOST_DESCRIPTOR_PREFLIGHT_H_
#define ZMQLOOP_THREADING_HOST_DESCRIPTOR_PREFLIGHT_H_

namespace zmqloop {

// Whether the soft RLIMIT_NOFILE may be raised to the hard one where that helps. It is the whole
// process's, and its child programs inherit it.
enum class DescriptorLimit : bool { kKeep, kRaise };

// Returns if `count` descriptors can be opened at this moment, which it tries; 0.3 us each.
// `operation` is what they are for: "creating a waker".
void require_free_descriptors(int count, const char* operation,
                              DescriptorLimit limit = DescriptorLimit::kKeep);

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_DESCRIPTOR_PREFLIGHT_H_
