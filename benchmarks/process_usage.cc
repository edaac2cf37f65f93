// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/process_usage.h"

#include <ctime>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unistd.h>

namespace zmqloop::bench {
namespace {

// Returns the number after `key` in a file of "key: number unit" lines; -1 if the key is missing.
std::int64_t read_number(const std::string& file, std::string_view key) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(key)) return std::stoll(line.substr(key.size()));
  }
  return -1;
}

}  // namespace

double process_cpu_ns() {
  timespec time = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

std::uint64_t resident_bytes() {
  // Not /proc/self/statm: the kernel updates its counters only once in a number of pages.
  const std::int64_t kilobytes = read_number("/proc/self/smaps_rollup", "Rss:");
  if (kilobytes < 0) throw std::runtime_error("cannot read Rss in /proc/self/smaps_rollup");
  return static_cast<std::uint64_t>(kilobytes) * 1024;
}

std::uint64_t voluntary_switches_of_others() {
  std::uint64_t switches = 0;
  const std::string self = std::to_string(gettid());
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    if (thread.path().filename() == self) continue;
    // A thread that has just ended no longer has a file.
    const std::int64_t its =
        read_number((thread.path() / "status").string(), "voluntary_ctxt_switches:");
    if (its > 0) switches += static_cast<std::uint64_t>(its);
  }
  return switches;
}

}  // namespace zmqloop::bench
