// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/token_ring.h"

#include <cerrno>
#include <stdexcept>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

namespace zmqloop::bench {

TokenRing::TokenRing(std::size_t places, std::size_t tokens, std::size_t idle) : places_(places) {
  for (std::size_t place = 0; place < places; ++place) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
      throw std::system_error(errno, std::system_category(), "socketpair");
    }
    watched_.push_back(ends[0]);
    entrances_.push_back(ends[1]);
  }
  for (std::size_t i = 0; i < idle; ++i) {
    watched_.push_back(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (watched_.back() < 0) throw std::system_error(errno, std::system_category(), "eventfd");
  }
  for (std::size_t place = 0; place < tokens; ++place) {
    if (write(entrances_[place], "", 1) != 1) ++failed_;
  }
}

TokenRing::~TokenRing() {
  for (const int fd : watched_) close(fd);
  for (const int fd : entrances_) close(fd);
}

bool TokenRing::on_event(std::size_t place) {
  char token;
  if (place >= places_ || read(watched_[place], &token, 1) != 1) [[unlikely]] {
    ++failed_;
    return true;
  }
  return pass_on(place, token);
}

bool TokenRing::pass_on(std::size_t place, char token) {
  const std::size_t next = place + 1 < places_ ? place + 1 : 0;
  if (write(entrances_[next], &token, 1) != 1) [[unlikely]]
    ++failed_;
  return ++hops_ < end_at_;
}

void TokenRing::require_no_loss() const {
  if (failed_ != 0)
    throw std::runtime_error("a token was lost, or one reported that was not there");
}

}  // namespace zmqloop::bench
