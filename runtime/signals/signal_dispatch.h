// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Raises the callbacks that loops have subscribed to a signal: the one handler in the process
// behind all add_signal_handler calls of all loops.
//
// The first subscription of a signal installs the handler. The end of the last one restores the
// earlier action, unless other code has installed a handler meanwhile. (If that is the SIGURG
// handler of stack_capture.h, it passes signals on to the earlier action from then on.)
//
// Threads: any but signal handlers; the handler itself touches lock-free atomics only. Once
// unsubscribe() has returned, no handler on any thread can still raise the callback.
// Owns: the process's signal actions between first and last subscription; not the callbacks.
// Forks: a child starts without subscriptions and with the earlier actions.
// Errors: std::invalid_argument for signals that no loop can handle, std::system_error of
// sigaction.
// Internal.

#ifndef ZMQLOOP_RUNTIME_SIGNALS_SIGNAL_DISPATCH_H_
#define ZMQLOOP_RUNTIME_SIGNALS_SIGNAL_DISPATCH_H_

#include "zmqloop/runtime/signals/signal_callback.h"

namespace zmqloop::signal_dispatch {

// Throws std::invalid_argument, with the reason, if no loop can handle this signal: SIGKILL and
// SIGSTOP cannot be handled at all, and faults end the thread before a loop could handle them.
void require_handleable(const char* operation, int signum);

void subscribe(int signum, PreparedCallback& callback);
// No effect if the callback is not subscribed.
void unsubscribe(int signum, PreparedCallback& callback) noexcept;

}  // namespace zmqloop::signal_dispatch

#endif  // ZMQLOOP_RUNTIME_SIGNALS_SIGNAL_DISPATCH_H_
