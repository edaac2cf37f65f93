// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// libuv's descriptors: a uv_poll_t each.

#include <cstddef>
#include <uv.h>
#include <vector>

#include "benchmarks/fd_rows.h"

namespace zmqloop::bench {
namespace {

class LibuvFds {
 public:
  explicit LibuvFds(TokenRing& ring) : ring_(ring), polls_(ring.watched().size()) {
    uv_loop_init(&loop_);
    for (std::size_t i = 0; i < polls_.size(); ++i) {
      uv_poll_init(&loop_, &polls_[i], ring.watched()[i]);
      polls_[i].data = this;
      uv_poll_start(&polls_[i], UV_READABLE, &LibuvFds::on_readable);
    }
  }
  LibuvFds(const LibuvFds&) = delete;
  LibuvFds& operator=(const LibuvFds&) = delete;
  ~LibuvFds() {
    for (uv_poll_t& poll : polls_) uv_close(reinterpret_cast<uv_handle_t*>(&poll), nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    uv_loop_close(&loop_);
  }

  void run() { uv_run(&loop_, UV_RUN_DEFAULT); }

 private:
  static void on_readable(uv_poll_t* poll, int, int) {
    LibuvFds& self = *static_cast<LibuvFds*>(poll->data);
    const auto number = static_cast<std::size_t>(poll - self.polls_.data());
    if (!self.ring_.on_event(number)) uv_stop(&self.loop_);
  }

  TokenRing& ring_;
  uv_loop_t loop_;
  std::vector<uv_poll_t> polls_;
};

const RowRegistration kRegistration(fd_rows<LibuvFds>("libuv"));

}  // namespace
}  // namespace zmqloop::bench
