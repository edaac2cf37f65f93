// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/host/process_fence.h"

#include <cerrno>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace zmqloop {
namespace {

bool membarrier(membarrier_cmd command) noexcept {
  const int error = errno;
  const bool done = ::syscall(SYS_membarrier, command, 0, 0) == 0;
  errno = error;
  return done;
}

constinit bool is_registered = false;

// Runs before other objects are made, and usually before a second thread exists: then it costs
// nothing. A child inherits the registration.
[[gnu::constructor(101)]] void register_process() {
  is_registered = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
}

}  // namespace

bool can_fence_process() noexcept { return is_registered; }

bool fence_process() noexcept { return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED); }

}  // namespace zmqloop
