// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/schedule/command_line.h"

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <span>

namespace zmqloop::schedule {
namespace {

constexpr const char* kUsage =
    "usage: %s [--scenario=NAME] [--strategy=random|pct] [--schedules=N] [--first-seed=N]\n"
    "       %s --scenario=NAME --seed=N [--strategy=random|pct] [--trace]\n"
    "       %s --list\n"
    "\n"
    "Runs N schedules of each scenario, or of one, and reports the first that fails. Without\n"
    "--schedules, as many as are worth their time whenever something changed: 20000 at most. With\n"
    "--seed, runs that schedule alone, in this process; --trace prints its steps. Without\n"
    "--strategy, odd seeds are random and even ones PCT. --bug=NAME switches on a planted bug,\n"
    "in the program that has them.\n";

[[noreturn]] void usage(const char* program, int status) {
  std::fprintf(status == 0 ? stdout : stderr, kUsage, program, program, program);
  std::exit(status);
}

}  // namespace

CommandLine parse_command_line(int argc, char** argv) {
  const auto words = std::span<char* const>(argv, static_cast<std::size_t>(argc)).subspan(1);
  const std::optional<Arguments> given = read_arguments({words.data(), words.size()});
  if (!given) usage(argv[0], 2);
  if (given->help) usage(argv[0], 0);
  CommandLine line{*given, {}};
  line.seeds.strategy = given->strategy;
  line.seeds.count = given->schedules.value_or(line.seeds.count);
  line.seeds.first = given->first_seed.value_or(line.seeds.first);
  return line;
}

const Scenario& scenario_named(const std::string& name) {
  for (const Scenario& scenario : scenarios()) {
    if (scenario.name == name) return scenario;
  }
  std::fprintf(stderr, "there is no scenario %s; --list names them\n", name.c_str());
  std::exit(2);
}

int run_seed(const CommandLine& line) {
  const Scenario& scenario = scenario_named(line.scenario);
  run_one(scenario, strategy_of(line.seeds, *line.seed), *line.seed, line.trace);
  std::printf("%s: ok\n", scenario.name.data());
  return 0;
}

}  // namespace zmqloop::schedule
