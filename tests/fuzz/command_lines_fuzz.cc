// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Fuzzes the command lines of the programs. Newlines separate the arguments.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "benchmarks/throughput_flags.h"
#include "examples/checksum/command_line.h"
#include "tests/faults/arguments.h"
#include "tests/fuzz/promise.h"
#include "tests/schedule/arguments.h"

#include "zmqloop/poller/poller.h"
#include "zmqloop/runtime/pool/loop_pool.h"

namespace zmqloop::fuzz {
namespace {

using Arguments = std::span<const char* const>;

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> words;
  for (;;) {
    const std::size_t end = text.find('\n');
    words.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return words;
    text.remove_prefix(end + 1);
  }
}

void require_one_line(std::string_view text) {
  require(!text.empty() && text.find('\n') == std::string_view::npos,
          "what is wrong is said in one line");
}

void read_throughput_flags(Arguments arguments) {
  constexpr std::string_view kScenarios[] = {"1to1", "NtoN"};
  try {
    const bench::ThroughputFlags flags =
        bench::parse_throughput_flags(arguments, kScenarios, /*cores=*/2);
    const auto is_count = [](std::size_t n) { return n >= 1 && n <= LoopPool::kMostLoops; };
    require(is_count(flags.loops) && is_count(flags.producers), "counts are in their range");
    require(std::isfinite(flags.seconds) && flags.seconds > 0, "seconds are a time");
    require(flags.idle_spin.value_or(Duration::zero()) >= Duration::zero(), "spins are a time");
    for (const std::string& name : flags.scenarios) {
      require(std::ranges::count(kScenarios, name) == 1, "scenarios are known");
    }
    require(flags.scenarios.size() <= std::size(kScenarios), "scenarios are said once");
  } catch (const bench::FlagError& error) {
    require_one_line(error.what());
  }
}

void read_checksum_line(Arguments arguments) {
  const checksum::CommandLine line = checksum::parse_command_line(arguments);
  if (!line.problem.empty()) return require_one_line(line.problem);
  require(line.loops.value_or(1) >= 1, "there is a loop");
}

void read_fault_arguments(Arguments words) {
  try {
    const faults::Arguments arguments = faults::read_arguments(words);
    if (arguments.spare) require(arguments.spare->count >= 0, "what is spared is a number");
    if (words.empty()) require(!arguments.limit, "no limit is set by nothing");
  } catch (const std::invalid_argument& error) {
    require(std::ranges::any_of(
                words,
                [&](const char* word) { return std::string_view(error.what()).starts_with(word); }),
            "what is wrong names the argument");
  }
}

void read_schedule_arguments(Arguments words) {
  const auto said = [words](const std::string& text) {
    return std::ranges::any_of(words, [&](const char* word) { return word == text; });
  };
  const auto arguments = schedule::read_arguments(words);
  if (!arguments) return;
  require(arguments->help == (said("--help") || said("-h")), "help is for those who ask for it");
  require(arguments->list == said("--list"), "a list as well");
  require(!arguments->seed || !arguments->scenario.empty(), "a seed is one of a scenario");
  if (!arguments->scenario.empty()) {
    require(said("--scenario=" + arguments->scenario), "scenarios are those that were named");
  }
}

void read_poller_kind(const std::string& name) {
  try {
    require(to_string(parse_poller_kind(name)) == name, "a poller is named as it names itself");
  } catch (const std::invalid_argument& error) {
    require(std::string_view(error.what()).find("epoll") != std::string_view::npos,
            "what there is is named");
  }
}

}  // namespace
}  // namespace zmqloop::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace fuzz = zmqloop::fuzz;
  const std::vector<std::string> words = fuzz::split({reinterpret_cast<const char*>(data), size});
  std::vector<const char*> arguments;
  for (const std::string& word : words) arguments.push_back(word.c_str());
  fuzz::read_throughput_flags(arguments);
  fuzz::read_checksum_line(arguments);
  fuzz::read_fault_arguments(arguments);
  fuzz::read_schedule_arguments(arguments);
  fuzz::read_poller_kind(words.front());
  return 0;
}
