// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// An asynchronous main: a task that waits without blocking its loop, under one time limit.

#include <chrono>
#include <cstdio>
#include <string>

#include "zmqloop/zmqloop.h"

using namespace std::chrono_literals;

namespace {

// Blocking work belongs on a pool. The task awaits the result, then continues on its own loop.
zmqloop::Task<std::string> fetch(zmqloop::LoopPool& workers, int page) {
  co_await zmqloop::sleep_for(10ms);  // the loop does other work meanwhile
  co_return co_await workers.submit([page] { return "page " + std::to_string(page); });
}

zmqloop::Task<int> async_main(zmqloop::LoopPool& workers) {
  int pages = 0;
  for (int page = 1; page <= 3; ++page) {
    const std::string text = co_await fetch(workers, page);
    std::printf("%s\n", text.c_str());
    ++pages;
  }
  co_return pages;
}

}  // namespace

int main() {
  zmqloop::IOLoop loop;
  zmqloop::LoopPool workers({.loops = 2, .name = "worker"});
  try {
    const int pages = loop.run_sync([&] { return async_main(workers); }, 5s);
    std::printf("%d pages\n", pages);
  } catch (const zmqloop::TimeoutError& error) {
    std::printf("too slow: %s\n", error.what());
    return 1;
  }

  // A task that takes too long: run_sync gives up; the loop can be used again.
  try {
    loop.run_sync([]() -> zmqloop::Task<void> { co_await zmqloop::sleep_for(1h); }, 20ms);
  } catch (const zmqloop::TimeoutError& error) {
    std::printf("as expected: %s\n", error.what());
  }
}
