// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// One loop per core, and the ways to choose the loop for a callback.

#include <atomic>
#include <cstdio>

#include "zmqloop/zmqloop.h"

int main() {
  zmqloop::LoopPool pool({.name = "worker"});
  std::printf("%zu loops\n", pool.size());

  // On the next loop, round-robin.
  std::atomic<int> posts_run{0};
  for (int i = 0; i < 100; ++i) {
    pool.post([&posts_run] { ++posts_run; });
  }

  // On the loop of a key: always the same one, so the data of a key needs no lock.
  const int customer = 4711;
  int balance = 0;  // only that loop touches it
  for (int i = 1; i <= 10; ++i) {
    pool.for_key(customer).add_callback([&balance, i] { balance += i; });
  }
  const int total = pool.for_key(customer).submit([&balance] { return balance; }).get();
  std::printf("balance: %d\n", total);

  // With a future for the result.
  std::printf("6 * 7 = %d\n", pool.submit([] { return 6 * 7; }).get());

  // On every loop, once. Each loop keeps the order of its posts, so this runs after those above.
  std::atomic<std::size_t> left{pool.size()};
  zmqloop::Promise<void> all_done;
  pool.broadcast([&left, &all_done](zmqloop::IOLoop& loop) {
    std::printf("%s was here\n", loop.name().c_str());
    if (--left == 0) all_done.set_value();
  });
  all_done.get_future().get();

  pool.stop();
  const zmqloop::CloseReport report = pool.join();
  std::printf("%d posts run, %llu abandoned\n", posts_run.load(),
              static_cast<unsigned long long>(report.callbacks_abandoned));
  return posts_run == 100 && total == 55 && report == zmqloop::CloseReport() ? 0 : 1;
}
