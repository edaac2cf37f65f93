// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The process-wide loop, made with ZeroMQ's own poller: pyzmq's ioloop.install().
//
// Threads: any.
// Errors: std::logic_error if a loop that waits otherwise is the instance already.
// Public.

#ifndef ZMQLOOP_RUNTIME_LOOP_INSTALL_H_
#define ZMQLOOP_RUNTIME_LOOP_INSTALL_H_

#include "zmqloop/threading/host/export.h"

namespace zmqloop {

// Makes a loop that waits with zmq_poll IOLoop::instance(). Done before: no effect.
ZMQLOOP_EXPORT void install();

}  // namespace zmqloop

#endif  // ZMQLOOP_RUNTIME_LOOP_INSTALL_H_
