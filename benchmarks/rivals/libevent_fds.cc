// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// libevent's descriptors: a persistent event each, on a base without locks.

#include <cstddef>
#include <vector>

#include "benchmarks/fd_rows.h"
#include "benchmarks/rivals/libevent_base.h"
#include <event2/event.h>
#include <event2/event_struct.h>

namespace zmqloop::bench {
namespace {

class LibeventFds {
 public:
  explicit LibeventFds(TokenRing& ring)
      : ring_(ring),
        watchers_(ring.watched().size()),
        base_(new_libevent_base(EVENT_BASE_FLAG_NOLOCK)) {
    for (std::size_t i = 0; i < watchers_.size(); ++i) {
      event_assign(&watchers_[i].readable, base_.get(), ring.watched()[i], EV_READ | EV_PERSIST,
                   &LibeventFds::on_readable, &watchers_[i]);
      watchers_[i].owner = this;
      event_add(&watchers_[i].readable, nullptr);
    }
  }

  void run() { event_base_dispatch(base_.get()); }

 private:
  struct Watcher {
    event readable;
    LibeventFds* owner;
  };

  static void on_readable(evutil_socket_t, short, void* ready) {
    const Watcher& watcher = *static_cast<Watcher*>(ready);
    LibeventFds& self = *watcher.owner;
    const auto number = static_cast<std::size_t>(&watcher - self.watchers_.data());
    if (!self.ring_.on_event(number)) event_base_loopbreak(self.base_.get());
  }

  TokenRing& ring_;
  std::vector<Watcher> watchers_;
  const LibeventBase base_;  // last: freeing it reads the watchers
};

const RowRegistration kRegistration(fd_rows<LibeventFds>("libevent"));

}  // namespace
}  // namespace zmqloop::bench
