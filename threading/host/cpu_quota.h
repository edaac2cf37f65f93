// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Finds out how much CPU time the control groups of this process allow it.
//
// Reads cgroup v2 (cpu.max), v1 (cpu.cfs_quota_us and cpu.cfs_period_us) and hosts that mount both,
// along the group's path up to the root that is visible here; the tightest limit on the way counts.
//
// Threads: any.
// Errors: none; a file that cannot be read or parsed counts as no quota.
// Public.

#ifndef ZMQLOOP_THREADING_HOST_CPU_QUOTA_H_
#define ZMQLOOP_THREADING_HOST_CPU_QUOTA_H_

#include <optional>
#include <string>

#include "zmqloop/threading/host/export.h"

namespace zmqloop {

// Returns the tightest quota in CPUs (0.5: half of one), or nullopt if there is none. Every path
// that is read begins with `root`, so that a test can use its own folder.
ZMQLOOP_EXPORT std::optional<double> cpu_quota(const std::string& root = "");

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_CPU_QUOTA_H_
