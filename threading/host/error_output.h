// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Writes to standard error without stdio.
//
// Threads: any.
// Errors: none; text that cannot be written is lost.
// Internal.

#ifndef ZMQLOOP_THREADING_HOST_ERROR_OUTPUT_H_
#define ZMQLOOP_THREADING_HOST_ERROR_OUTPUT_H_

#include <cerrno>
#include <string_view>
#include <unistd.h>

#include "zmqloop/threading/host/cancellation_hold.h"

namespace zmqloop {

// Writes a text in one piece, if the kernel accepts it so. Takes no lock: a thread that is stuck in
// a write to stderr holds the lock of stdio.
inline void write_error(std::string_view text) noexcept {
  const CancellationHold hold;
  while (!text.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      return;
    }
  }
}

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_ERROR_OUTPUT_H_
