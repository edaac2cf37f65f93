// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/checksum/file_error.h"

#include <algorithm>

namespace checksum {
namespace {

bool is_printable(char c) { return c >= ' ' && c <= '~'; }

bool is_plain(char c) {
  constexpr std::string_view kPlainPunctuation = "_-./,+@%^]";
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         kPlainPunctuation.find(c) != std::string_view::npos;
}

void append_octal(std::string& text, char c) {
  const auto byte = static_cast<unsigned char>(c);
  for (const int shift : {6, 3, 0}) text += static_cast<char>('0' + ((byte >> shift) & 7));
}

}  // namespace

std::string describe(const FileError& error) {
  return shell_quoted(error.path) + ": " + error.error.message();
}

std::string shell_quoted(std::string_view name) {
  if (!name.empty() && std::ranges::all_of(name, is_plain)) return std::string(name);
  std::string text = "'";
  for (const char c : name) {
    if (c == '\'') {
      text += "'\\''";
    } else if (is_printable(c)) {
      text += c;
    } else {
      text += "'$'\\";
      append_octal(text, c);
      text += "''";
    }
  }
  return text += '\'';
}

}  // namespace checksum
