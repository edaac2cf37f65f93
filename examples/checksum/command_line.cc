// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/checksum/command_line.h"

#include <charconv>
#include <utility>

#include "examples/checksum/file_error.h"

#include "zmqloop/zmqloop.h"

namespace checksum {
namespace {

constexpr std::string_view kHelp =
    R"(usage: checksum [--loops N] [--] PATH...

Prints the SHA-256 of each regular file at or below the PATHs, sorted by path: what

  find PATH... -type f -print0 | LC_ALL=C sort -z | xargs -r -0 sha256sum

prints, hashed by N event loops on a thread each. Symbolic links are not followed; a PATH that ends
with a slash is.

  --loops N   from 1 to 4096; one per usable core if not given
  --help      prints this

The table is printed when all files are hashed. Ctrl-C (SIGINT, SIGTERM) gives up and prints none of
it. On a terminal, a line on standard error shows the progress.

Exit status: 0 all files were hashed, 1 some could not be read, or standard output not be written,
2 wrong usage, 130 interrupted.
)";
static_assert(zmqloop::LoopPool::kMostLoops == 4096, "the text says so");

std::optional<std::size_t> parse_loops(std::string_view text) {
  std::size_t loops = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), loops);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (loops < 1 || loops > zmqloop::LoopPool::kMostLoops) return std::nullopt;
  return loops;
}

CommandLine wrong_usage(std::string problem) {
  CommandLine line;
  line.problem = std::move(problem) + " (see checksum --help)";
  return line;
}

}  // namespace

CommandLine parse_command_line(std::span<const char* const> arguments) {
  constexpr std::string_view kLoops = "--loops";
  CommandLine line;
  bool options_ended = false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string_view argument = arguments[i];
    if (options_ended || !argument.starts_with('-') || argument == "-") {
      line.paths.emplace_back(argument);
    } else if (argument == "--") {
      options_ended = true;
    } else if (argument == "--help" || argument == "-h") {
      line.help = true;
      return line;
    } else if (argument == kLoops || argument.starts_with("--loops=")) {
      if (argument == kLoops && ++i == arguments.size()) {
        return wrong_usage("--loops needs a number");
      }
      const std::string_view value =
          argument == kLoops ? arguments[i] : argument.substr(kLoops.size() + 1);
      line.loops = parse_loops(value);
      if (!line.loops) {
        return wrong_usage("--loops must be a number from 1 to 4096, not " + shell_quoted(value));
      }
    } else {
      return wrong_usage("unknown option " + shell_quoted(argument));
    }
  }
  if (line.paths.empty()) return wrong_usage("no PATH given");
  return line;
}

std::string_view help_text() { return kHelp; }

}  // namespace checksum
