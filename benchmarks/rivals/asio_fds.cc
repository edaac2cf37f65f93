// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// asio's descriptors: a stream_descriptor each, waited for again once its token has been passed on.
// With asio-read, asio itself reads the token.

#include <cstddef>
#include <vector>

#include "benchmarks/fd_rows.h"
#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>

namespace zmqloop::bench {
namespace {

using asio::posix::stream_descriptor;

class AsioDescriptors {
 public:
  explicit AsioDescriptors(TokenRing& ring) : ring_(ring) {
    descriptors_.reserve(ring.watched().size());
    for (const int fd : ring.watched()) descriptors_.emplace_back(context_, fd);
  }
  AsioDescriptors(const AsioDescriptors&) = delete;
  AsioDescriptors& operator=(const AsioDescriptors&) = delete;
  ~AsioDescriptors() {
    for (stream_descriptor& each : descriptors_) each.release();  // the ring closes them
  }

  void run() {
    context_.restart();
    context_.run();
  }

 protected:
  void wait(std::size_t i) {
    descriptors_[i].async_wait(stream_descriptor::wait_read, [this, i](const asio::error_code& e) {
      if (e) return;
      if (!ring_.on_event(i)) context_.stop();
      wait(i);
    });
  }

  TokenRing& ring_;
  asio::io_context context_{1};
  std::vector<stream_descriptor> descriptors_;
};

class AsioWait : public AsioDescriptors {
 public:
  explicit AsioWait(TokenRing& ring) : AsioDescriptors(ring) {
    for (std::size_t i = 0; i < descriptors_.size(); ++i) wait(i);
  }
};

class AsioRead : public AsioDescriptors {
 public:
  explicit AsioRead(TokenRing& ring) : AsioDescriptors(ring), tokens_(ring.places()) {
    for (std::size_t i = 0; i < ring.places(); ++i) read(i);
    for (std::size_t i = ring.places(); i < descriptors_.size(); ++i) wait(i);
  }

 private:
  void read(std::size_t i) {
    descriptors_[i].async_read_some(asio::buffer(&tokens_[i], 1),
                                    [this, i](const asio::error_code& error, std::size_t) {
                                      if (error) return;
                                      if (!ring_.pass_on(i, tokens_[i])) context_.stop();
                                      read(i);
                                    });
  }

  std::vector<char> tokens_;
};

const RowRegistration kWait(fd_rows<AsioWait>("asio"));
const RowRegistration kRead(fd_rows<AsioRead>("asio-read"));

}  // namespace
}  // namespace zmqloop::bench
