// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/schedule/arguments.h"

#include <string_view>

#include "tests/support/read_number.h"

namespace zmqloop::schedule {
namespace {

std::optional<StrategyKind> read_strategy(std::string_view text) {
  for (const StrategyKind kind : {StrategyKind::kRandom, StrategyKind::kPct}) {
    if (text == name_of(kind)) return kind;
  }
  return std::nullopt;
}

// Parses one word; returns false if it is not understood.
bool take(Arguments& into, std::string_view word) {
  if (word == "--help" || word == "-h") return into.help = true;
  if (word == "--trace") return into.trace = true;
  if (word == "--list") return into.list = true;
  const std::size_t equals = word.find('=');
  if (equals == std::string_view::npos) return false;
  const std::string_view name = word.substr(0, equals);
  const std::string_view value = word.substr(equals + 1);
  if (name == "--scenario") return !(into.scenario = value).empty();
  if (name == "--bug") return !(into.bug = value).empty();
  if (name == "--strategy") return (into.strategy = read_strategy(value)).has_value();
  constexpr auto read_count = &testing::read_number<std::uint64_t>;
  if (name == "--seed") return (into.seed = read_count(value)).has_value();
  if (name == "--schedules") return (into.schedules = read_count(value)).has_value();
  if (name == "--first-seed") return (into.first_seed = read_count(value)).has_value();
  return false;
}

}  // namespace

std::optional<Arguments> read_arguments(std::span<const char* const> words) {
  Arguments arguments;
  for (const char* const word : words) {
    if (!take(arguments, word)) return std::nullopt;
  }
  if (arguments.seed && arguments.scenario.empty()) return std::nullopt;
  return arguments;
}

}  // namespace zmqloop::schedule
