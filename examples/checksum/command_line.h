// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Parses the command line.
//
// Threads: values.
// Errors: a value: `problem` describes the mistake in the command line.

#ifndef ZMQLOOP_EXAMPLES_CHECKSUM_COMMAND_LINE_H_
#define ZMQLOOP_EXAMPLES_CHECKSUM_COMMAND_LINE_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace checksum {

struct CommandLine {
  std::string problem;               // one line; empty if there is none
  bool help = false;                 // --help
  std::optional<std::size_t> loops;  // --loops N; if empty, one per usable core
  std::vector<std::string> paths;
};

// Reads the arguments after the program's name. Options may stand anywhere before "--".
CommandLine parse_command_line(std::span<const char* const> arguments);

// Returns the text for --help.
std::string_view help_text();

}  // namespace checksum

#endif  // ZMQLOOP_EXAMPLES_CHECKSUM_COMMAND_LINE_H_
