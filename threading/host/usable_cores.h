// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Which CPUs this process may use, how many of them are worth a loop, and pinning a thread to one.
//
// std::thread::hardware_concurrency() counts the machine's; this counts what an affinity mask
// (taskset, cpuset) and a control group's quota leave of them.
//
//   for (int cpu : usable_cpus()) threads.emplace_back([cpu] { pin_this_thread(cpu); work(); });
//
// Threads: any.
// Errors: only pin_this_thread() throws; where the kernel does not answer, the calling thread's
// mask or one CPU is assumed. Public.

#ifndef ZMQLOOP_THREADING_HOST_USABLE_CORES_H_
#define ZMQLOOP_THREADING_HOST_USABLE_CORES_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "zmqloop/threading/host/cpu_quota.h"
#include "zmqloop/threading/host/export.h"

namespace zmqloop {

// Returns the CPUs in the affinity mask of the process, which is that of its main thread, in
// ascending order; never empty. Pinning another thread does not change it. Makes a system call.
ZMQLOOP_EXPORT std::vector<int> usable_cpus();

// Returns the CPUs of the process, which are its main thread's, and those of the calling thread, if
// that may not use all of them; else none.
ZMQLOOP_EXPORT std::vector<int> cpus_beyond_this_threads();

// Returns how many threads can run at one time: the number of usable_cpus(), capped by the quota
// rounded up, at least 1. Reads files: meant for start-up, not for a hot path.
ZMQLOOP_EXPORT std::size_t usable_cores();

// The rule of usable_cores(), for given numbers.
ZMQLOOP_EXPORT std::size_t usable_cores(std::size_t cpus, std::optional<double> quota);

// Writes CPU numbers as the kernel does: "0-3,8".
ZMQLOOP_EXPORT std::string format_cpus(const std::vector<int>& cpus);

// Lets the calling thread run on `cpu` alone. std::system_error if the CPU does not exist, is
// offline or forbidden to this process: the message names it and those that may be used.
ZMQLOOP_EXPORT void pin_this_thread(int cpu);

// Returns the message of that error, for whoever else fails to pin: `what` says which thread.
ZMQLOOP_EXPORT std::string pinning_failure(const std::string& what, int cpu);

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_USABLE_CORES_H_
