// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/loop/install.h"

#include <stdexcept>

#include "zmqloop/runtime/loop/current_loop.h"
#include "zmqloop/runtime/loop/io_loop.h"

namespace zmqloop {

void install() {
  const IOLoop& loop = CurrentLoop::instance(LoopOptions{.poller = PollerKind::kZmqPoll});
  if (loop.poller_kind() == PollerKind::kZmqPoll) return;
  throw std::logic_error("zmqloop::install: loop '" + loop.name() +
                         "' is the instance already, and does not wait with zmq_poll");
}

}  // namespace zmqloop
