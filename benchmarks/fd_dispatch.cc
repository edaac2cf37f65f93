// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// How many readiness events of descriptors can a loop hand to their handlers in a second?
//
// W7 of docs/performance.md. The floor: epoll_wait, and a `for` loop over its reports.

#include <array>
#include <cerrno>
#include <cstddef>
#include <span>
#include <sys/epoll.h>
#include <system_error>
#include <unistd.h>

#include "benchmarks/fd_rows.h"

#include "zmqloop/runtime/loop/io_loop.h"

namespace zmqloop::bench {
namespace {

class ZmqloopFds {
 public:
  explicit ZmqloopFds(TokenRing& ring) {
    for (std::size_t i = 0; i < ring.watched().size(); ++i) {
      const auto handler = [this, &ring, i] {
        if (!ring.on_event(i)) loop_.stop();
      };
      loop_.add_handler(ring.watched()[i], handler, IOLoop::kRead);
    }
  }
  void run() { loop_.start(); }

 private:
  IOLoop loop_;
};

class BareEpoll {
 public:
  explicit BareEpoll(TokenRing& ring) : ring_(ring), set_(epoll_create1(EPOLL_CLOEXEC)) {
    for (std::size_t i = 0; i < ring.watched().size(); ++i) {
      epoll_event entry{.events = EPOLLIN, .data = {.u64 = i}};
      if (epoll_ctl(set_, EPOLL_CTL_ADD, ring.watched()[i], &entry) == 0) continue;
      throw std::system_error(errno, std::system_category(), "epoll_ctl");
    }
  }
  BareEpoll(const BareEpoll&) = delete;
  BareEpoll& operator=(const BareEpoll&) = delete;
  ~BareEpoll() { close(set_); }

  void run() {
    std::array<epoll_event, 64> reports;
    for (bool more = true; more;) {
      const int count = epoll_wait(set_, reports.data(), reports.size(), -1);
      for (int i = 0; i < count; ++i) {
        more = ring_.on_event(reports[static_cast<std::size_t>(i)].data.u64);
      }
    }
  }

 private:
  TokenRing& ring_;
  const int set_;
};

std::vector<Row> rows() {
  std::vector<Row> all = fd_rows<ZmqloopFds>("zmqloop");
  for (Row& row : fd_rows<BareEpoll>("floor-epoll")) all.push_back(row);
  return all;
}

}  // namespace
}  // namespace zmqloop::bench

int main(int argc, char** argv) {
  return zmqloop::bench::run_rows(argc, argv, zmqloop::bench::rows());
}
