// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The command line of the throughput benchmark.
//
// Threads: values.
// Errors: FlagError; its text is one line for the user.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_THROUGHPUT_FLAGS_H_
#define ZMQLOOP_BENCHMARKS_THROUGHPUT_FLAGS_H_

#include <cstddef>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "zmqloop/threading/host/clock.h"

namespace zmqloop::bench {

struct ThroughputFlags {
  std::size_t loops;
  std::size_t producers;
  double seconds = 10;
  bool pin = false;
  std::optional<Duration> idle_spin = {};   // as LoopOptions::idle_spin
  std::vector<std::string> scenarios = {};  // if empty, all
  std::string json = {};                    // a file name; if empty, none
  bool list = false;
  bool help = false;
};

class FlagError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// Reads the arguments after the program's name. `scenarios` are the valid names for --scenario;
// `cores` is the default of --loops and --producers.
ThroughputFlags parse_throughput_flags(std::span<const char* const> arguments,
                                       std::span<const std::string_view> scenarios,
                                       std::size_t cores);

// Returns the text of --help.
std::string throughput_usage();

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_THROUGHPUT_FLAGS_H_
