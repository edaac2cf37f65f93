// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/checksum/interrupt_signals.h"

#include <cerrno>
#include <system_error>

namespace checksum {
namespace {

// Set before the handlers are installed; the handlers only read them.
zmqloop::IOLoop* the_coordinator = nullptr;
ChecksumJob* the_job = nullptr;

volatile std::sig_atomic_t came = 0;

void on_signal(int) {
  came = 1;
  // A refusal means that posts of earlier signals are still waiting; one is enough.
  static_cast<void>(the_coordinator->add_callback_from_signal([] { the_job->interrupt(); }));
}

void handle(int signal, struct sigaction& previous) {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  ::sigfillset(&action.sa_mask);
  if (::sigaction(signal, &action, &previous) != 0) {
    throw std::system_error(errno, std::generic_category(), "sigaction");
  }
}

}  // namespace

InterruptSignals::InterruptSignals(zmqloop::IOLoop& coordinator, ChecksumJob& job) {
  the_coordinator = &coordinator;
  the_job = &job;
  handle(SIGINT, previous_interrupt_);
  handle(SIGTERM, previous_terminate_);
}

InterruptSignals::~InterruptSignals() {
  ::sigaction(SIGINT, &previous_interrupt_, nullptr);
  ::sigaction(SIGTERM, &previous_terminate_, nullptr);
}

bool InterruptSignals::any_came() { return came != 0; }

}  // namespace checksum
