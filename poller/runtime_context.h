// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The process's private ZeroMQ context for doorbells, with 0 I/O threads.
//
// Made by the first call, and afresh by the first call in a forked child. Never destroyed, on
// purpose: zmq_ctx_term would wait for sockets whose owners may outlive main(). It holds up to
// kRuntimeContextSockets sockets at once.
//
// Threads: any thread.
// Owns: the context and its reaper thread, for ever.
// Errors: std::system_error (see require_startable_context) if it cannot be made; a later call
//         tries again.
// Internal.

#ifndef ZMQLOOP_POLLER_RUNTIME_CONTEXT_H_
#define ZMQLOOP_POLLER_RUNTIME_CONTEXT_H_

#include <zmq.hpp>

#include "zmqloop/threading/host/descriptor_preflight.h"

namespace zmqloop {

// Two for each loop; libzmq reserves 12 bytes for each socket at start.
inline constexpr int kRuntimeContextSockets = 16'384;

// Returns the context of this process. Its sockets work over inproc only. `limit` applies to the
// call that makes it.
zmq::context_t& runtime_context(DescriptorLimit limit = DescriptorLimit::kKeep);

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_RUNTIME_CONTEXT_H_
