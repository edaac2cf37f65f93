// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Checks that enough file descriptors are free, before libzmq runs out of them.
//
// libzmq aborts the process if it meets EMFILE in the wrong place (RLIMIT_NOFILE 5 to 7 while a
// context starts). So we check here before we make a context or a socket.
//
// Threads: any. The answer holds until another thread opens a descriptor: check just before use.
// Errors: std::system_error (EMFILE, ENFILE, ENOMEM) that names the number needed, the limit and
// the remedy.
// Internal.

#ifndef ZMQLOOP_THREADING_HOST_DESCRIPTOR_PREFLIGHT_H_
#define ZMQLOOP_THREADING_HOST_DESCRIPTOR_PREFLIGHT_H_

namespace zmqloop {

// Whether to raise the soft RLIMIT_NOFILE to the hard one if that helps. The limit belongs to the
// whole process, and its child programs inherit it.
enum class DescriptorLimit : bool { kKeep, kRaise };

// Returns if `count` descriptors can be opened now, and throws if not. It tries: 0.3 us each.
// `operation` names their purpose in the message: "creating a waker".
void require_free_descriptors(int count, const char* operation,
                              DescriptorLimit limit = DescriptorLimit::kKeep);

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_DESCRIPTOR_PREFLIGHT_H_
