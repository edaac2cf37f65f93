#include "tests/schedule/command_line.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>

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

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Takes one argument; false if it cannot be understood.
bool take(CommandLine& line, std::string_view argument) {
  if (argument == "--trace") return line.trace = true;
  if (argument == "--list") return line.list = true;
  const std::size_t equals = argument.find('=');
  if (equals == std::string_view::npos) return false;
  const std::string_view name = argument.substr(0, equals);
  const std::string_view value = argument.substr(equals + 1);
  if (name == "--scenario") {
    line.scenario = value;
    return true;
  }
  if (name == "--bug") {
    line.bug = value;
    return true;
  }
  if (name == "--strategy") {
    for (const StrategyKind kind : {StrategyKind::kRandom, StrategyKind::kPct}) {
      if (value == name_of(kind)) line.seeds.strategy = kind;
    }
    return line.seeds.strategy.has_value();
  }
  const std::optional<std::uint64_t> count = number(value);
  if (!count) return false;
  if (name == "--seed") {
    line.seed = *count;
  } else if (name == "--schedules") {
    line.seeds.count = *count;
    line.says_how_many = true;
  } else if (name == "--first-seed") {
    line.seeds.first = *count;
  } else {
    return false;
  }
  return true;
}

}  // namespace

CommandLine parse_command_line(int argc, char** argv) {
  CommandLine line;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--help" || argument == "-h") usage(argv[0], 0);
    if (!take(line, argument)) usage(argv[0], 2);
  }
  if (line.seed && line.scenario.empty()) usage(argv[0], 2);
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
