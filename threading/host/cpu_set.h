// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Sets of CPUs in the kernel's format, also on machines with more CPUs than cpu_set_t has bits.
//
// Threads: any; a CpuSet is used by one thread.
// Errors: std::bad_alloc; if the kernel refuses, the answer is empty.
// Internal.

#ifndef ZMQLOOP_THREADING_HOST_CPU_SET_H_
#define ZMQLOOP_THREADING_HOST_CPU_SET_H_

#include <cstddef>
#include <memory>
#include <sched.h>
#include <sys/types.h>
#include <vector>

namespace zmqloop {

class CpuSet {
 public:
  // More than any kernel is built for; a larger number is taken for a mistake.
  static constexpr std::size_t kMostCpus = std::size_t{1} << 20;

  // Makes an empty set with room for CPUs below `cpus`.
  explicit CpuSet(std::size_t cpus);

  void add(int cpu) { CPU_SET_S(static_cast<std::size_t>(cpu), bytes_, set_.get()); }
  std::vector<int> cpus() const;

  // For system calls.
  cpu_set_t* get() { return set_.get(); }
  const cpu_set_t* get() const { return set_.get(); }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(cpu_set_t* set) const { CPU_FREE(set); }
  };

  std::size_t bytes_;
  std::unique_ptr<cpu_set_t, Free> set_;
};

// Returns the CPUs in the affinity mask of the thread `tid` (0: the calling one), in ascending
// order; empty, with errno set, if the kernel refuses.
std::vector<int> affinity_of(pid_t tid);

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_CPU_SET_H_
