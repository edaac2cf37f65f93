// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Finds the CPUs that this process may use, counts those worth a loop, and pins threads to CPUs.
//
// std::thread::hardware_concurrency() counts the CPUs of the machine. We count those that the
// affinity mask (taskset, cpuset) and the control group's quota leave to the process.
//
//   for (int cpu : usable_cpus()) threads.emplace_back([cpu] { pin_this_thread(cpu); work(); });
//
// Threads: any.
// Errors: only pin_this_thread() throws. If the kernel does not answer, we assume the calling
// thread's mask or one CPU.
// Public.

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

// Returns the CPUs of the process (its main thread's) together with those of the calling thread, if
// the calling thread may not use all of them; else none.
ZMQLOOP_EXPORT std::vector<int> cpus_beyond_this_threads();

// Returns how many threads can run at one time: the number of usable_cpus(), capped by the quota
// rounded up, at least 1. Reads files: meant for start-up, not for a hot path.
ZMQLOOP_EXPORT std::size_t usable_cores();

// Applies the rule of usable_cores() to given numbers.
ZMQLOOP_EXPORT std::size_t usable_cores(std::size_t cpus, std::optional<double> quota);

// Writes CPU numbers as the kernel does: "0-3,8".
ZMQLOOP_EXPORT std::string format_cpus(const std::vector<int>& cpus);

// Lets the calling thread run on `cpu` alone. Throws std::system_error if the CPU does not exist,
// is offline or forbidden to this process: the message names it and the usable CPUs.
ZMQLOOP_EXPORT void pin_this_thread(int cpu);

// Returns the message of that error, for other code that fails to pin. `what` names the thread.
ZMQLOOP_EXPORT std::string pinning_failure(const std::string& what, int cpu);

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_USABLE_CORES_H_
