// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/checksum/checksum_table.h"

#include <algorithm>
#include <string_view>

namespace checksum {
namespace {

void append_hex(std::string& text, const Sha256Digest& digest) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const unsigned char byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
}

void append_escaped(std::string& text, std::string_view path) {
  for (const char c : path) {
    switch (c) {
      case '\\':
        text += "\\\\";
        break;
      case '\n':
        text += "\\n";
        break;
      case '\r':
        text += "\\r";
        break;
      default:
        text += c;
    }
  }
}

void append_line(std::string& text, const FileDigest& file) {
  const bool is_escaped = file.path.find_first_of("\\\n\r") != std::string::npos;
  if (is_escaped) text += '\\';
  append_hex(text, file.digest);
  text += "  ";
  if (is_escaped) {
    append_escaped(text, file.path);
  } else {
    text += file.path;
  }
  text += '\n';
}

}  // namespace

std::string format_table(std::vector<FileDigest> files) {
  std::ranges::sort(files, {}, &FileDigest::path);
  std::string text;
  for (const FileDigest& file : files) append_line(text, file);
  return text;
}

}  // namespace checksum
