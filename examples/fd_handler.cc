// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Descriptors on a loop: reads the lines of a pipe as they arrive, until its end.

#include <array>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <string>
#include <system_error>
#include <unistd.h>

#include "zmqloop/zmqloop.h"

using namespace std::chrono_literals;

namespace {

class LineReader {
 public:
  LineReader(zmqloop::IOLoop& loop, int fd) : loop_(loop), fd_(fd) {
    loop_.add_handler(
        fd_, [this](zmqloop::Pollable, zmqloop::Events) { read_some(); }, zmqloop::Events::kRead);
  }

 private:
  // Level-triggered: unread bytes are reported again, so one read per call is enough.
  void read_some() {
    std::array<char, 256> buffer;
    const ssize_t size = ::read(fd_, buffer.data(), buffer.size());
    if (size > 0) {
      text_.append(buffer.data(), static_cast<std::size_t>(size));
      for (std::size_t end; (end = text_.find('\n')) != std::string::npos;) {
        std::printf("line: %s\n", text_.substr(0, end).c_str());
        text_.erase(0, end + 1);
      }
    } else if (size == 0 || errno != EAGAIN) {
      loop_.remove_handler(fd_);  // before closing it
      ::close(fd_);
      std::puts("end");
      loop_.stop();
    }
  }

  zmqloop::IOLoop& loop_;
  const int fd_;
  std::string text_;
};

}  // namespace

int main() {
  std::array<int, 2> ends;
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    throw std::system_error(errno, std::generic_category(), "pipe2");
  }
  zmqloop::IOLoop loop;
  const LineReader reader(loop, ends[0]);

  int written = 0;
  zmqloop::PeriodicCallback writer(
      [&] {
        const std::string line = "number " + std::to_string(++written) + "\n";
        if (::write(ends[1], line.data(), line.size()) < 0) std::perror("write");
        if (written < 3) return;
        writer.stop();
        ::close(ends[1]);
      },
      10ms, &loop);
  writer.start();
  loop.start();
}
