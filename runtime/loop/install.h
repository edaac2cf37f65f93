// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Makes the process-wide loop with ZeroMQ's own poller, as pyzmq's ioloop.install() does.
//
// Threads: any.
// Errors: std::logic_error if the instance exists already and waits with another poller.
// Public.

#ifndef ZMQLOOP_RUNTIME_LOOP_INSTALL_H_
#define ZMQLOOP_RUNTIME_LOOP_INSTALL_H_

#include "zmqloop/threading/host/export.h"

namespace zmqloop {

// Makes IOLoop::instance() a loop that waits with zmq_poll. No effect if it is one already.
ZMQLOOP_EXPORT void install();

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_LOOP_INSTALL_H_
