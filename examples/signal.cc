// A signal handler that hands its work to the loop.

#include <csignal>
#include <cstdio>

#include "zmqloop/zmqloop.h"

namespace {

zmqloop::IOLoop* the_loop = nullptr;  // set before the handler is installed

// A handler may call almost nothing: it may have interrupted malloc(), or a post to this very loop.
// add_callback_from_signal() is made for it; what it posts runs on the loop, where all is allowed.
void on_interrupt(int) {
  the_loop->add_callback_from_signal([] {
    std::puts("interrupted: cleaning up, then stopping");
    the_loop->stop();
  });
}

}  // namespace

int main() {
  zmqloop::IOLoop loop;
  the_loop = &loop;
  std::signal(SIGINT, on_interrupt);

  loop.add_callback([] {
    std::puts("press Ctrl-C (this program does it itself)");
    std::raise(SIGINT);
  });
  loop.start();
}
