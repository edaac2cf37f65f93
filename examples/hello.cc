// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// One loop on this thread, and another thread that posts to it.

#include <cstdio>
#include <thread>

#include "zmqloop/zmqloop.h"

int main() {
  zmqloop::IOLoop loop;
  std::thread worker([&loop] {
    loop.add_callback([] { std::puts("hello from the loop"); });
    loop.add_callback([&loop] { loop.stop(); });  // runs after the earlier post
  });
  loop.start();  // returns once stop() was called
  worker.join();
}
