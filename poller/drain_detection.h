// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// How an epoll set learns that a ZeroMQ socket's signal was taken by other code.
//
// ZMQ_FD is an eventfd that libzmq writes when commands come and reads whenever any call on the
// socket processes them: a zmq_send in some handler can swallow the signal that a message has come.
// But an eventfd is always writable, and the kernel reports an edge-triggered entry at each
// wake-up, of which a read makes one. So watching it for EPOLLIN | EPOLLOUT | EPOLLET shows writes
// *and* reads. That rests on libzmq using an eventfd and on Linux's epoll; it is tried once per
// process, and where it does not hold, every socket is looked at before every sleep (0.3 us each).
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
