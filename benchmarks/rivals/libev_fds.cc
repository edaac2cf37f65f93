// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// libev's descriptors: an ev_io each.

#include <cstddef>
#include <ev.h>
#include <vector>

#include "benchmarks/fd_rows.h"

namespace zmqloop::bench {
namespace {

class LibevFds {
 public:
  explicit LibevFds(TokenRing& ring)
      : ring_(ring), loop_(ev_loop_new(EVBACKEND_EPOLL)), watchers_(ring.watched().size()) {
    for (std::size_t i = 0; i < watchers_.size(); ++i) {
      ev_io_init(&watchers_[i], &LibevFds::on_readable, ring.watched()[i], EV_READ);
      watchers_[i].owner = this;
      ev_io_start(loop_, &watchers_[i]);
    }
  }
  LibevFds(const LibevFds&) = delete;
  LibevFds& operator=(const LibevFds&) = delete;
  ~LibevFds() { ev_loop_destroy(loop_); }

  void run() { ev_run(loop_, 0); }

 private:
  struct Watcher : ev_io {
    LibevFds* owner;
  };

  static void on_readable(struct ev_loop* loop, ev_io* ready, int) {
    const Watcher& watcher = static_cast<Watcher&>(*ready);
    const auto number = static_cast<std::size_t>(&watcher - watcher.owner->watchers_.data());
    if (!watcher.owner->ring_.on_event(number)) ev_break(loop, EVBREAK_ALL);
  }

  TokenRing& ring_;
  struct ev_loop* const loop_;
  std::vector<Watcher> watchers_;
};

const RowRegistration kRegistration(fd_rows<LibevFds>("libev"));

}  // namespace
}  // namespace zmqloop::bench
