// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A user's first program. The test builds it in each way named in README's "Use it", and runs it.

#include <chrono>

#include "expect.h"

#include "zmqloop/zmqloop.h"

namespace {

zmqloop::Task<int> add(int a, int b) { co_return a + b; }

}  // namespace

int main() {
  int failures = 0;
  zmqloop::LoopThread io({.name = "io"});
  EXPECT(io.name() == "io");
  EXPECT(spawn(io.loop(), add(2, 3)).get(std::chrono::seconds(60)) == 5);
  EXPECT(io.loop().submit([&] { return io.loop().in_loop_thread(); }).get());
  EXPECT(!io.loop().in_loop_thread());
  int ticks = 0;
  zmqloop::IOLoop loop;
  zmqloop::PeriodicCallback periodic(
      [&] {
        if (++ticks == 2) loop.stop();
      },
      std::chrono::milliseconds(1), &loop);
  periodic.start();
  loop.start();
  EXPECT(ticks == 2);
  return failures == 0 ? 0 : 1;
}
