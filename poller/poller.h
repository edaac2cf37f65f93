// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Makes pollers. The interface itself is in poller_interface.h.
//
//   std::unique_ptr<Poller> poller = make_poller(parse_poller_kind("epoll"));
//
// Threads: pure functions; any thread.
// Errors: std::invalid_argument for an unknown name or kind; std::system_error naming the call if
//         the kernel refuses a descriptor.
// Public.

#ifndef ZMQLOOP_POLLER_POLLER_H_
#define ZMQLOOP_POLLER_POLLER_H_

#include <memory>
#include <string_view>

#include "zmqloop/poller/poller_interface.h"
#include "zmqloop/threading/host/export.h"

namespace zmqloop {

// Returns the kind named "epoll" or "zmq_poll". For any other name it throws std::invalid_argument,
// which lists the known names.
ZMQLOOP_EXPORT PollerKind parse_poller_kind(std::string_view name);

// Returns the name that parse_poller_kind() takes.
ZMQLOOP_EXPORT std::string_view to_string(PollerKind kind);

// Makes an empty poller of that kind.
ZMQLOOP_EXPORT std::unique_ptr<Poller> make_poller(PollerKind kind);

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_POLLER_H_
