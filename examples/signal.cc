// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Signals on a loop: as an event of the loop, and from your own signal handler.

#include <csignal>
#include <cstdint>
#include <cstdio>

#include "zmqloop/zmqloop.h"

namespace {

zmqloop::IOLoop* the_loop = nullptr;  // set before the handlers are installed
zmqloop::SignalCallback reload;

// A signal handler may call almost nothing: it may have interrupted malloc(), or a post to this
// very loop. These two calls are async-signal-safe; their callables run on the loop, where anything
// is allowed.
void on_user_signal(int) {
  // Copies a small callable into the loop's table; the loop runs them first in, first out.
  the_loop->add_callback_from_signal([] { std::puts("posted by a handler"); });
  // Runs a callable of any kind, prepared earlier. Raises in quick succession become one call.
  reload.raise();
}

}  // namespace

int main() {
  zmqloop::IOLoop loop;
  the_loop = &loop;
  reload = loop.prepare_signal_callback([](std::uint64_t raises) {
    std::printf("reload, asked %d times\n", static_cast<int>(raises));
  });
  std::signal(SIGUSR1, on_user_signal);

  // Without your own handler: SIGINT reaches the loop's thread like any other event.
  loop.add_signal_handler(SIGINT, [&loop](int signum) {
    std::printf("signal %d: cleaning up, then stopping\n", signum);
    loop.stop();
  });

  loop.add_callback([] {
    std::puts("press Ctrl-C (this program does it itself)");
    std::raise(SIGUSR1);
    std::raise(SIGUSR1);
    std::raise(SIGINT);
  });
  loop.start();
  loop.remove_signal_handler(SIGINT);  // Ctrl-C works as before again
  std::signal(SIGUSR1, SIG_DFL);
  reload = zmqloop::SignalCallback();
}
