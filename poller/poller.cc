// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/poller.h"

#include <stdexcept>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"

#include "zmqloop/poller/epoll_poller.h"
#include "zmqloop/poller/zmq_poll_poller.h"

namespace zmqloop {

PollerKind parse_poller_kind(std::string_view name) {
  for (const PollerKind kind : {PollerKind::kEpoll, PollerKind::kZmqPoll}) {
    if (name == to_string(kind)) return kind;
  }
  const std::string shown = absl::CHexEscape(absl::string_view(name.data(), name.size()));
  throw std::invalid_argument("unknown poller \"" + shown +
                              "\": the known ones are \"epoll\" and \"zmq_poll\"");
}

std::string_view to_string(PollerKind kind) {
  switch (kind) {
    case PollerKind::kZmqPoll:
      return "zmq_poll";
    case PollerKind::kEpoll:
      return "epoll";
  }
  return "unknown";
}

std::unique_ptr<Poller> make_poller(PollerKind kind) {
  switch (kind) {
    case PollerKind::kZmqPoll:
      return std::make_unique<ZmqPollPoller>();
    case PollerKind::kEpoll:
      return std::make_unique<EpollPoller>();
  }
  throw std::invalid_argument("make_poller: unknown PollerKind " +
                              std::to_string(static_cast<int>(kind)));
}

}  // namespace zmqloop
