// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/host/cpu_set.h"

#include <cerrno>
#include <new>

namespace zmqloop {

CpuSet::CpuSet(std::size_t cpus) : bytes_(CPU_ALLOC_SIZE(cpus)), set_(CPU_ALLOC(cpus)) {
  if (set_ == nullptr) throw std::bad_alloc();
  CPU_ZERO_S(bytes_, set_.get());
}

std::vector<int> CpuSet::cpus() const {
  std::vector<int> found;
  for (std::size_t cpu = 0; cpu < bytes_ * 8; ++cpu) {
    if (CPU_ISSET_S(cpu, bytes_, set_.get())) found.push_back(static_cast<int>(cpu));
  }
  return found;
}

std::vector<int> affinity_of(pid_t tid) {
  // EINVAL: the kernel's own mask is longer than ours.
  for (std::size_t cpus = CPU_SETSIZE; cpus <= CpuSet::kMostCpus; cpus *= 2) {
    CpuSet set(cpus);
    if (::sched_getaffinity(tid, set.bytes(), set.get()) == 0) return set.cpus();
    if (errno != EINVAL) break;
  }
  return {};
}

}  // namespace zmqloop
