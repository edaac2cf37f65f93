// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/machine_info.h"

#include <fstream>
#include <sys/utsname.h>
#include <zmq.h>

#include "zmqloop/threading/host/usable_cores.h"

namespace zmqloop::bench {
namespace {

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t value = line.find(": ");
    if (line.starts_with("model name") && value != std::string::npos) return line.substr(value + 2);
  }
  return "unknown";
}

std::string kernel() {
  utsname name = {};
  if (uname(&name) != 0) return "unknown";
  return std::string(name.sysname) + " " + name.release + " " + name.machine;
}

std::string compiler() {
#if defined(__clang__)
  return __VERSION__;  // says "Clang" itself
#elif defined(__GNUC__)
  return "GCC " __VERSION__;
#else
  return "unknown";
#endif
}

std::string libzmq_version() {
  int major = 0;
  int minor = 0;
  int patch = 0;
  zmq_version(&major, &minor, &patch);
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

}  // namespace

MachineInfo describe_machine() {
  return {.cpu_model = cpu_model(),
          .usable_cores = usable_cores(),
          .kernel = kernel(),
          .compiler = compiler(),
          .libzmq = libzmq_version()};
}

}  // namespace zmqloop::bench
