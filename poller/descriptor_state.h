// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Asks the kernel for the readiness of a raw descriptor at this moment.
//
// Threads: any thread.
// Errors: none; a failure is reported as kError.
// Internal.

#ifndef ZMQLOOP_POLLER_DESCRIPTOR_STATE_H_
#define ZMQLOOP_POLLER_DESCRIPTOR_STATE_H_

#include "zmqloop/poller/events.h"

namespace zmqloop {

// Returns which of `interest` the descriptor is ready for, and kError if it has an error, has hung
// up or is closed. One poll(2) that does not wait.
Events read_descriptor_state(int fd, Events interest) noexcept;

}  // namespace zmqloop

#endif  // ZMQLOOP_POLLER_DESCRIPTOR_STATE_H_
