// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Which callbacks each signal of the process raises: the one handler behind all add_signal_handler
// calls of all loops.
//
// The first subscription of a signal installs the handler, the last one to go puts back what was
// there before, unless somebody else has installed a handler meanwhile. (stack_capture.h's, of
// SIGURG, hands on to what was there before.)
//
// Threads: any but signal handlers; the handler itself touches lock-free atomics only.
// unsubscribe() returns when no handler, on whatever thread, can still raise the callback. Owns:
// the process's signal actions between first and last subscription; not the callbacks. Forks: a
// child starts without subscriptions and with the actions that were there before. Errors:
// std::invalid_argument for signals that no loop can handle, std::system_error of sigaction.
// Internal.

#ifndef ZMQLOOP_RUNTIME_SIGNALS_SIGNAL_DISPATCH_H_
#define ZMQLOOP_RUNTIME_SIGNALS_SIGNAL_DISPATCH_H_

#include "zmqloop/runtime/signals/signal_callback.h"

namespace zmqloop::signal_dispatch {

// Throws std::invalid_argument, naming the reason, unless a loop can handle this signal: not for
// SIGKILL and SIGSTOP, which nobody can, nor for faults, which end the thread before a loop could.
void require_handleable(const char* operation, int signum);

void subscribe(int signum, PreparedCallback& callback);
// Nothing subscribed: no effect.
void unsubscribe(int signum, PreparedCallback& callback) noexcept;

}  // namespace zmqloop::signal_dispatch

#endif  // ZMQLOOP_RUNTIME_SIGNALS_SIGNAL_DISPATCH_H_
