// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A file or directory that could not be read, and why.
//
// Threads: values.
// Errors: none.

#ifndef ZMQLOOP_EXAMPLES_CHECKSUM_FILE_ERROR_H_
#define ZMQLOOP_EXAMPLES_CHECKSUM_FILE_ERROR_H_

#include <string>
#include <string_view>
#include <system_error>

namespace checksum {

struct FileError {
  std::string path;
  std::error_code error;
};

// Returns a text such as "PATH: Permission denied": always one line of printable ASCII, with the
// path quoted by shell_quoted().
std::string describe(const FileError& error);

// Returns a name as you could type it into a shell: as it is, or 'in quotes' if it has special
// characters, with $'\ooo' for bytes that do not print. So a file name cannot forge a second line
// of an error message, or send escape sequences to a terminal.
std::string shell_quoted(std::string_view name);

}  // namespace checksum

#endif  // ZMQLOOP_EXAMPLES_CHECKSUM_FILE_ERROR_H_
