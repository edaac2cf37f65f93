// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/json_writer.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <stdexcept>

namespace zmqloop::bench {
namespace {

unsigned byte_at(std::string_view text, std::size_t i) {
  return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
}

// Returns the length of the UTF-8 sequence at the start of `text`; 0 if it is not valid.
std::size_t utf8_length(std::string_view text) {
  const unsigned lead = byte_at(text, 0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                             : lead >= 0xE0 && lead <= 0xEF ? 3
                             : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                            : 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte_at(text, i) & 0xC0) != 0x80) return 0;
  }
  // Refuse overlong forms, surrogates, and values beyond the last code point.
  const unsigned second = byte_at(text, 1);
  if (lead == 0xE0 && second < 0xA0) return 0;
  if (lead == 0xED && second > 0x9F) return 0;
  if (lead == 0xF0 && second < 0x90) return 0;
  if (lead == 0xF4 && second > 0x8F) return 0;
  return length;
}

void append_escaped(std::string& out, char byte) {
  switch (byte) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  const auto code = static_cast<unsigned char>(byte);
  if (code >= 0x20) {
    out += byte;
    return;
  }
  constexpr std::string_view kHexDigits = "0123456789abcdef";
  out += "\\u00";
  out += kHexDigits[code >> 4];
  out += kHexDigits[code & 15];
}

}  // namespace

JsonWriter& JsonWriter::key(std::string_view name) {
  if (levels_.empty() || levels_.back().closing != '}' || key_pending_) {
    throw std::logic_error("JsonWriter::key: not inside an object, or after another key");
  }
  separate();
  write_string(name);
  text_ += ": ";
  key_pending_ = true;
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  before_value();
  write_string(text);
  return *this;
}

JsonWriter& JsonWriter::value(double number) {
  if (!std::isfinite(number)) return null();
  std::array<char, 32> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  return word(std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data())));
}

std::string JsonWriter::text() const {
  if (text_.empty() || !levels_.empty()) {
    throw std::logic_error("JsonWriter::text: the document is not complete");
  }
  return text_ + "\n";
}

JsonWriter& JsonWriter::begin(char opening) {
  before_value();
  text_ += opening;
  levels_.push_back({opening == '{' ? '}' : ']'});
  return *this;
}

JsonWriter& JsonWriter::end(char closing) {
  if (levels_.empty() || levels_.back().closing != closing || key_pending_) {
    throw std::logic_error("JsonWriter: an end without its begin, or a key without its value");
  }
  const bool empty = levels_.back().empty;
  levels_.pop_back();
  if (!empty) text_.append("\n").append(2 * levels_.size(), ' ');
  text_ += closing;
  return *this;
}

JsonWriter& JsonWriter::word(std::string_view text) {
  before_value();
  text_ += text;
  return *this;
}

void JsonWriter::before_value() {
  if (levels_.empty()) {
    if (!text_.empty()) throw std::logic_error("JsonWriter: a document has one value");
  } else if (levels_.back().closing == ']') {
    separate();
  } else if (!key_pending_) {
    throw std::logic_error("JsonWriter: a value inside an object needs a key");
  }
  key_pending_ = false;
}

void JsonWriter::separate() {
  if (!levels_.back().empty) text_ += ',';
  levels_.back().empty = false;
  text_.append("\n").append(2 * levels_.size(), ' ');
}

void JsonWriter::write_string(std::string_view text) {
  text_ += '"';
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) {
      text_ += "\xEF\xBF\xBD";
    } else if (length == 1) {
      append_escaped(text_, text.front());
    } else {
      text_ += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  text_ += '"';
}

}  // namespace zmqloop::bench
