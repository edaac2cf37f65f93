// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/throughput_flags.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <system_error>

#include "zmqloop/runtime/pool/loop_pool.h"

namespace zmqloop::bench {
namespace {

constexpr std::size_t kMostThreads = LoopPool::kMostLoops;
constexpr double kMostSeconds = 86'400;
constexpr std::uint64_t kMostSpinMicroseconds = 1'000'000;

// Returns whether all of `text` is a number; sets `value` if so.
template <class Number>
bool read_number(std::string_view text, Number& value) {
  const char* const end = text.data() + text.size();
  const auto [stopped_at, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stopped_at == end;
}

// Returns the user's text for an error message: at most kMost bytes, with '?' for each control
// character.
std::string quoted(std::string_view text) {
  constexpr std::size_t kMost = 60;
  std::string shown(text.substr(0, kMost));
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, '?');
  return "'" + shown + (text.size() > kMost ? "...'" : "'");
}

[[noreturn]] void refuse(std::string_view flag, const std::string& need, std::string_view given) {
  throw FlagError(std::string(flag) + " " + need + ", not " + quoted(given));
}

std::size_t read_count(std::string_view flag, std::string_view text) {
  std::size_t count = 0;
  if (!read_number(text, count) || count < 1 || count > kMostThreads) {
    refuse(flag, "needs a whole number from 1 to " + std::to_string(kMostThreads), text);
  }
  return count;
}

double read_seconds(std::string_view flag, std::string_view text) {
  double seconds = 0;
  if (!read_number(text, seconds) || !std::isfinite(seconds) || seconds <= 0 ||
      seconds > kMostSeconds) {
    refuse(flag, "needs a number above 0 and up to 86400", text);
  }
  return seconds;
}

std::optional<Duration> read_idle_spin(std::string_view flag, std::string_view text) {
  if (text == "adaptive") return std::nullopt;
  if (text == "off") return Duration::zero();
  std::uint64_t microseconds = 0;
  if (!read_number(text, microseconds) || microseconds > kMostSpinMicroseconds) {
    refuse(flag, "needs adaptive, off or a whole number of microseconds up to 1000000", text);
  }
  return std::chrono::microseconds(microseconds);
}

std::vector<std::string> read_scenarios(std::string_view flag, std::string_view text,
                                        std::span<const std::string_view> known) {
  std::vector<std::string> chosen;
  for (;;) {
    const std::size_t comma = text.find(',');
    const std::string_view name = text.substr(0, comma);
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      refuse(flag, "needs names that --list shows, separated by commas", name);
    }
    if (std::find(chosen.begin(), chosen.end(), name) == chosen.end()) chosen.emplace_back(name);
    if (comma == std::string_view::npos) return chosen;
    text.remove_prefix(comma + 1);
  }
}

// Sets a flag that takes no value; false if `flag` is none.
bool set_switch(ThroughputFlags& flags, std::string_view flag) {
  bool* const found = flag == "--pin"    ? &flags.pin
                      : flag == "--list" ? &flags.list
                      : flag == "--help" ? &flags.help
                                         : nullptr;
  if (found == nullptr) return false;
  *found = true;
  return true;
}

void set_value(ThroughputFlags& flags, std::string_view flag, std::string_view value,
               std::span<const std::string_view> scenarios) {
  if (flag == "--loops") {
    flags.loops = read_count(flag, value);
  } else if (flag == "--producers") {
    flags.producers = read_count(flag, value);
  } else if (flag == "--seconds") {
    flags.seconds = read_seconds(flag, value);
  } else if (flag == "--idle-spin") {
    flags.idle_spin = read_idle_spin(flag, value);
  } else if (flag == "--scenario") {
    flags.scenarios = read_scenarios(flag, value, scenarios);
  } else {
    flags.json = value;
  }
}

constexpr std::string_view kFlagsWithValue[] = {"--loops",     "--producers", "--seconds",
                                                "--idle-spin", "--scenario",  "--json"};

}  // namespace

ThroughputFlags parse_throughput_flags(std::span<const char* const> arguments,
                                       std::span<const std::string_view> scenarios,
                                       std::size_t cores) {
  ThroughputFlags flags{.loops = cores, .producers = cores};
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    const std::size_t equals = argument.find('=');
    const std::string_view flag = argument.substr(0, equals);
    const bool has_value = equals != std::string_view::npos;
    if (!has_value && set_switch(flags, flag)) continue;
    if (std::find(std::begin(kFlagsWithValue), std::end(kFlagsWithValue), flag) ==
        std::end(kFlagsWithValue)) {
      if (set_switch(flags, flag)) throw FlagError(std::string(flag) + " takes no value");
      throw FlagError("unknown argument " + quoted(argument) + "; see --help");
    }
    std::string_view value;
    if (has_value) {
      value = argument.substr(equals + 1);
    } else if (i + 1 < arguments.size() && !std::string_view(arguments[i + 1]).starts_with("--")) {
      value = arguments[++i];
    }
    if (value.empty()) throw FlagError(std::string(flag) + " needs a value; see --help");
    set_value(flags, flag, value, scenarios);
  }
  return flags;
}

std::string throughput_usage() {
  return R"(usage: throughput [FLAG...]

How many callables per second can threads hand to event loops, and how long does each take to
arrive? Prints a table; the floors in it are what the same machine does without the library.

  --loops=N          loops of NtoN (default: usable cores)
  --producers=N      producing threads of NtoN (default: usable cores)
  --seconds=S        how long to measure, all scenarios together (default: 10)
  --pin              pin each loop and producer to one CPU, in turn
  --scenario=A,B     only these scenarios, and their floors
  --list             list the scenarios and end
  --json=FILE        write everything measured to FILE as well
  --idle-spin=WHAT   how long an idle loop looks for posts before it sleeps:
                     adaptive (default), off, or a number of microseconds
  --help             print this and end

Ctrl-C ends the run and prints what was measured so far.
Exit status: 0 done, 1 a count was wrong or something failed, 2 wrong usage, 130 interrupted.
)";
}

}  // namespace zmqloop::bench
