// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Parses the arguments of the scheduler's test programs. Depends on nothing else of the scheduler,
// so that it can be fuzzed alone.

#ifndef ZMQLOOP_TESTS_SCHEDULE_ARGUMENTS_H_
#define ZMQLOOP_TESTS_SCHEDULE_ARGUMENTS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "tests/schedule/strategy_kind.h"

namespace zmqloop::schedule {

struct Arguments {
  std::string scenario;
  std::string bug;
  std::optional<StrategyKind> strategy;
  std::optional<std::uint64_t> schedules;
  std::optional<std::uint64_t> first_seed;
  std::optional<std::uint64_t> seed;  // with a scenario only
  bool trace = false;
  bool list = false;
  bool help = false;
};

// Returns the parsed arguments, or nothing if a word is not understood.
std::optional<Arguments> read_arguments(std::span<const char* const> words);

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_ARGUMENTS_H_
