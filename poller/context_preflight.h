// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Finds out whether libzmq can start a context before it finds out that it cannot.
//
// A context's first socket starts a thread with an epoll set. libzmq aborts the process when it is
// refused the thread, the set or an entry in it, as it is under a limit on threads (ulimit -u,
// pids.max), memory or epoll entries (fs.epoll.max_user_watches). So whoever is about to start one
// asks here first.
//
// Threads: any thread. The answer holds until others take what was free: ask close to the use.
// Errors: std::system_error with the errno of what was refused, telling the call and the remedy.
// Internal.

#ifndef ZMQLOOP_POLLER_CONTEXT_PREFLIGHT_H_
#define ZMQLOOP_POLLER_CONTEXT_PREFLIGHT_H_

#include "zmqloop/threading/host/descriptor_preflight.h"

namespace zmqloop {

// Returns if a context without I/O threads can start at this moment, which it tries: a thread,
// descriptors, an epoll set with an entry. Takes as long as starting a thread. `operation` is what
// it is for, as in require_free_descriptors.
void require_startable_context(const char* operation,
                               DescriptorLimit limit = DescriptorLimit::kKeep);

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_CONTEXT_PREFLIGHT_H_
