// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A plugin that runs loops. Compiled with -fvisibility=hidden against libzmqloop.so, or with
// libzmqloop.a linked in.

#include "plugin.h"

#include <chrono>
#include <csignal>
#include <cstring>
#include <memory>
#include <stdexcept>

#include "expect.h"

#include "zmqloop/zmqloop.h"

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using zmqloop::sleep_for;

// Counts the exceptions of its callbacks: LoopClosedError, and others.
class Loop : public zmqloop::IOLoop {
 public:
  void handle_callback_exception(std::exception_ptr error) override {
    try {
      std::rethrow_exception(error);
    } catch (const zmqloop::LoopClosedError&) {
      ++closed_errors;
    } catch (...) {
      ++other_errors;
    }
  }
  int closed_errors = 0;
  int other_errors = 0;
};

zmqloop::IOLoop* signalled = nullptr;
int signals_seen = 0;
void on_signal(int) {
  signalled->add_callback_from_signal([] { ++signals_seen; });
}

zmqloop::Task<int> add_later(int a, int b) {
  co_await sleep_for(milliseconds(1));
  co_return a + b;
}

std::unique_ptr<zmqloop::LoopThread> thread;

}  // namespace

int plugin_use() {
  int failures = 0;
  {
    zmqloop::LoopThread worker("worker");
    int answer = 0;
    EXPECT(worker.loop().submit([] { return 5; }).get(seconds(5)) == 5);
    EXPECT(worker.loop().submit([&] { return worker.loop().in_loop_thread(); }).get(seconds(5)));
    EXPECT(!worker.loop().in_loop_thread());
    EXPECT(spawn(worker.loop(), add_later(2, 3)).get(seconds(5)) == 5);
    try {
      worker.loop().submit([]() -> int { throw zmqloop::TimeoutError("mine"); }).get(seconds(5));
      EXPECT(!"a TimeoutError was expected");
    } catch (const zmqloop::TimeoutError& error) {
      EXPECT(std::strcmp(error.what(), "mine") == 0);
    }
    for (int i = 0; i < 1000; ++i) worker.loop().add_callback([&answer] { ++answer; });
    EXPECT(worker.loop().submit([&answer] { return answer; }).get(seconds(5)) == 1000);
    worker.stop();
    worker.join();
    EXPECT(!worker.loop().add_callback([] {}));
  }
  Loop loop;
  signalled = &loop;
  signals_seen = 0;
  struct sigaction action {
  }, before;
  action.sa_handler = &on_signal;
  ::sigaction(SIGUSR1, &action, &before);
  int ticks = 0;
  zmqloop::PeriodicCallback periodic(
      [&] {
        if (++ticks == 3) loop.stop();
      },
      milliseconds(1), &loop);
  periodic.start();
  loop.add_callback([&] {
    EXPECT(loop.in_loop_thread());
    EXPECT(&zmqloop::IOLoop::current() == &loop);
    std::raise(SIGUSR1);
  });
  loop.add_callback([] { throw zmqloop::LoopClosedError("mine"); });
  loop.start();
  EXPECT(ticks == 3);
  EXPECT(signals_seen == 1);
  EXPECT(loop.closed_errors == 1);
  EXPECT(loop.other_errors == 0);
  ::sigaction(SIGUSR1, &before, nullptr);
  return failures;
}

zmqloop::IOLoop* plugin_begin() {
  thread = std::make_unique<zmqloop::LoopThread>("plugin");
  return &thread->loop();
}

void plugin_identities(Identities* seen) {
  *seen = {&zmqloop::per_thread<zmqloop::PostingThread>(), &typeid(zmqloop::IOLoop),
           &typeid(zmqloop::Poller), &typeid(zmqloop::LoopClosedError),
           &typeid(zmqloop::TimeoutError)};
}

int plugin_post_back(zmqloop::IOLoop* host, int count) {
  int accepted = 0;
  for (int i = 0; i < count; ++i) {
    if (host->add_callback([host, last = i == count - 1] {
          if (last) host->stop();
        }))
      ++accepted;
  }
  return accepted;
}

int plugin_in_loop_thread() { return thread->loop().in_loop_thread() ? 1 : 0; }

void plugin_throw(int which) {
  if (which == 0) throw zmqloop::LoopClosedError("of the plugin");
  if (which == 1)
    thread->loop().submit([] { throw zmqloop::TimeoutError("later"); }).get(seconds(5));
  zmqloop::IOLoop loop;
  loop.run_sync([] { return zmqloop::Future<int>(zmqloop::Promise<int>().get_future()); });
}

int plugin_end() {
  thread->stop();
  const zmqloop::CloseReport left = thread->join();
  thread.reset();
  return static_cast<int>(left.callbacks_abandoned);
}
