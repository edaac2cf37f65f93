// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The exceptions of the pollers: each names the call, the object, the errno and the remedy.
//
// Threads: pure functions; any thread (but describing a socket touches it).
// Errors: each function throws the exception that its comment names.
// Internal.

#ifndef ZMQLOOP_POLLER_POLLER_ERROR_H_
#define ZMQLOOP_POLLER_POLLER_ERROR_H_

#include "zmqloop/poller/events.h"
#include "zmqloop/poller/pollable.h"

namespace zmqloop {

// Throws std::invalid_argument if `events` has bits without a meaning.
void require_known_events(const char* call, const Pollable& pollable, Events events);

// Throws std::invalid_argument if `pollable` cannot name anything open.
void require_valid_pollable(const char* call, const Pollable& pollable);

// Throws std::system_error for a failed system call on `pollable`.
[[noreturn]] void throw_call_failed(const char* call, const char* system_call,
                                    const Pollable& pollable, int error);

// Throws std::system_error for a failed system call of the poller itself.
[[noreturn]] void throw_call_failed(const char* call, const char* system_call, int error);

// Throws zmq::error_t for a failed libzmq call on `pollable`.
[[noreturn]] void throw_socket_failed(const char* call, const char* system_call,
                                      const Pollable& pollable, int error);

// Throws std::invalid_argument: `pollable` is registered already, as `holder`.
[[noreturn]] void throw_registered_twice(const char* call, const Pollable& pollable,
                                         const Pollable& holder);

// Throws std::invalid_argument: `pollable` is not registered.
[[noreturn]] void throw_unknown(const char* call, const Pollable& pollable);

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_POLLER_ERROR_H_
