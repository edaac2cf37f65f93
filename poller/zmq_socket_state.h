// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Reads what a ZeroMQ socket says of itself; how it can fail is a value, not an exception.
//
// Threads: the thread that uses the socket.
// Errors: returned. EINTR is retried, which never ends in a forked child: do not call there.
// Internal.

#ifndef ZMQLOOP_POLLER_ZMQ_SOCKET_STATE_H_
#define ZMQLOOP_POLLER_ZMQ_SOCKET_STATE_H_

#include "zmqloop/poller/events.h"

namespace zmqloop {

struct SocketState {
  Events events = Events::kNone;  // what it is ready for; kRead and kWrite only
  int error = 0;                  // ETERM: context terminated; ENOTSOCK: closed; else 0
};

// Reads ZMQ_EVENTS: 0.3 us, 0.9 us if commands have come. This processes the commands and so
// silences ZMQ_FD until the next one.
SocketState read_socket_state(void* socket) noexcept;

// An integer option of a socket, or why it cannot be had.
struct SocketOption {
  int value = -1;
  int error = 0;  // as above
};

// Reads the descriptor that libzmq signals commands on.
SocketOption read_socket_descriptor(void* socket) noexcept;

// Returns whether the socket is REQ or REP, which take turns to send and to receive.
//
// Such a socket can become ready with no trace on its descriptor, and only then, when it was looked
// at in the other turn: a send or receive of ours begins the next turn, in which a message may have
// been waiting all along. A look shows whose turn it is: ZMQ_EVENTS that are not empty are those of
// this turn. Empty ones say that in this turn nothing can be done; to change that takes a message or
// a connection, which is signalled. tests/poller/zmq_socket_state_test.cc holds libzmq to this.
bool alternates(void* socket) noexcept;

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_ZMQ_SOCKET_STATE_H_
