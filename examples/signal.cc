// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Signals on a loop: as an event of the loop, and from a signal handler of one's own.

#include <csignal>
#include <cstdint>
#include <cstdio>

#include "zmqloop/zmqloop.h"

namespace {

zmqloop::IOLoop* the_loop = nullptr;  // set before the handlers are installed
zmqloop::SignalCallback reload;

// A handler may call almost nothing: it may have interrupted malloc(), or a post to this very loop.
// These two are made for it, and what they post runs on the loop, where all is allowed.
void on_user_signal(int) {
  // A small callable, copied into the loop's table, first in, first out.
  the_loop->add_callback_from_signal([] { std::puts("posted by a handler"); });
  // A callable of any kind, prepared beforehand: raises that come together are one call.
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

  // Without a handler of one's own: the loop's thread hears of SIGINT as of any other event.
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
  loop.remove_signal_handler(SIGINT);  // what Ctrl-C did before, it does again
  std::signal(SIGUSR1, SIG_DFL);
  reload = zmqloop::SignalCallback();
}
