// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Checks whether libzmq can start a context, before libzmq tries and aborts.
//
// A context's first socket starts a thread with an epoll set. libzmq aborts the process if it is
// refused the thread, the set or an entry in it, as it is under a limit on threads (ulimit -u,
// pids.max), memory or epoll entries (fs.epoll.max_user_watches). So ask here before you start a
// context.
//
// Threads: any thread. The answer holds until others take the free resources: ask right before use.
// Errors: std::system_error with the errno of the refused call; its text names the call and the
//         remedy.
// Internal.

#ifndef ZMQLOOP_POLLER_CONTEXT_PREFLIGHT_H_
#define ZMQLOOP_POLLER_CONTEXT_PREFLIGHT_H_

#include "zmqloop/threading/host/descriptor_preflight.h"

namespace zmqloop {

// Returns if a context without I/O threads can start now, and throws if not. Tries it out: a
// thread, descriptors, an epoll set with an entry. Takes as long as starting a thread. `operation`
// is the purpose, as in require_free_descriptors.
void require_startable_context(const char* operation,
                               DescriptorLimit limit = DescriptorLimit::kKeep);

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_CONTEXT_PREFLIGHT_H_
