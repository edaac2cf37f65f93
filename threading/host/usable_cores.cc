// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/host/usable_cores.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <iterator>
#include <sched.h>
#include <system_error>
#include <unistd.h>

#include "zmqloop/threading/host/cpu_set.h"
#include "zmqloop/threading/host/thread_label.h"

namespace zmqloop {

std::vector<int> usable_cpus() {
  std::vector<int> cpus = affinity_of(::getpid());
  // The main thread may have ended before the others.
  if (cpus.empty()) cpus = affinity_of(0);
  if (cpus.empty()) cpus.push_back(0);
  return cpus;
}

std::vector<int> cpus_beyond_this_threads() {
  const pid_t main_thread = ::getpid();
  if (current_thread_id() == main_thread) return {};
  std::vector<int> of_process = affinity_of(main_thread);  // empty if that thread has ended
  const std::vector<int> own = affinity_of(0);
  std::vector<int> all;
  std::set_union(own.begin(), own.end(), of_process.begin(), of_process.end(),
                 std::back_inserter(all));
  if (all == own) return {};
  return all;
}

std::size_t usable_cores() { return usable_cores(usable_cpus().size(), cpu_quota()); }

std::size_t usable_cores(std::size_t cpus, std::optional<double> quota) {
  if (quota && *quota < static_cast<double>(cpus)) {
    cpus = static_cast<std::size_t>(std::ceil(*quota));
  }
  return std::max<std::size_t>(cpus, 1);
}

std::string format_cpus(const std::vector<int>& cpus) {
  std::string text;
  for (std::size_t first = 0; first < cpus.size();) {
    std::size_t last = first;
    while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) ++last;
    if (!text.empty()) text += ',';
    text += std::to_string(cpus[first]);
    if (last != first) text.append("-").append(std::to_string(cpus[last]));
    first = last + 1;
  }
  return text;
}

void pin_this_thread(int cpu) {
  int error = EINVAL;
  if (cpu >= 0 && static_cast<std::size_t>(cpu) < CpuSet::kMostCpus) {
    CpuSet wanted(static_cast<std::size_t>(cpu) + 1);
    wanted.add(cpu);
    error = ::sched_setaffinity(0, wanted.bytes(), wanted.get()) == 0 ? 0 : errno;
    // The kernel may silently grant another set than the one asked for.
    if (error == 0 && affinity_of(0) != std::vector<int>{cpu}) error = EINVAL;
  }
  if (error == 0) return;
  throw std::system_error(error, std::generic_category(),
                          pinning_failure(current_thread_label(), cpu));
}

std::string pinning_failure(const std::string& what, int cpu) {
  return "pinning " + what + " to CPU " + std::to_string(cpu) + ": this process may use CPU " +
         format_cpus(usable_cpus()) +
         "; choose one of these, or widen its affinity mask (taskset) or cpuset";
}

}  // namespace zmqloop
