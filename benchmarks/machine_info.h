// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Describes the machine that a measurement ran on.
//
// Threads: any.
// Errors: none; a fact that cannot be found out is "unknown".
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_MACHINE_INFO_H_
#define ZMQLOOP_BENCHMARKS_MACHINE_INFO_H_

#include <cstddef>
#include <string>

namespace zmqloop::bench {

struct MachineInfo {
  std::string cpu_model;
  std::size_t usable_cores;
  std::string kernel;    // "Linux 6.1.0-18-amd64 x86_64"
  std::string compiler;  // of this program
  std::string libzmq;    // the version at run time
};

// Reads the facts from the system.
MachineInfo describe_machine();

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_MACHINE_INFO_H_
