// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Finds out whether an epoll set notices that other code took a ZeroMQ socket's signal.
//
// ZMQ_FD is an eventfd. libzmq writes it when commands come, and reads it whenever any call on the
// socket processes them. So a zmq_send in some handler can swallow the signal of a new message. But
// an eventfd is always writable, the kernel reports an edge-triggered entry at each wake-up, and a
// read makes a wake-up. So watching it for EPOLLIN | EPOLLOUT | EPOLLET shows writes *and* reads.
// That depends on libzmq using an eventfd and on Linux's epoll. It is tried once per process; if it
// does not hold, the poller looks at every socket before every sleep (0.3 us each).
//
// Threads: any thread.
// Errors: std::system_error or zmq::error_t if the trial cannot be made; a later call tries again.
// Internal.

#ifndef ZMQLOOP_POLLER_DRAIN_DETECTION_H_
#define ZMQLOOP_POLLER_DRAIN_DETECTION_H_

namespace zmqloop {

enum class DrainDetection {
  kByEdge,  // the descriptor tells
  kByScan,  // it does not: look at all sockets
};

// Returns which of the two works here; the first call finds out, in about 100 us.
DrainDetection drain_detection();

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_DRAIN_DETECTION_H_
