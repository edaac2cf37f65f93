// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Writes a JSON document, piece by piece, indented and always well formed.
//
//   JsonWriter json;
//   json.begin_object().key("name").value("1to1").key("samples").begin_array();
//   for (double rate : rates) json.value(rate);
//   json.end_array().end_object();
//   std::fputs(json.text().c_str(), file);
//
// Numbers are written so that reading them back gives the same value. Numbers that JSON cannot
// express (infinities, NaN) become null. Strings are UTF-8; invalid bytes become U+FFFD.
//
// Threads: one.
// Owns: the text.
// Errors: std::logic_error for a call that JSON does not allow there (a value without a key, an end
// without its begin).
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_JSON_WRITER_H_
#define ZMQLOOP_BENCHMARKS_JSON_WRITER_H_

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace zmqloop::bench {

class JsonWriter {
 public:
  JsonWriter& begin_object() { return begin('{'); }
  JsonWriter& end_object() { return end('}'); }
  JsonWriter& begin_array() { return begin('['); }
  JsonWriter& end_array() { return end(']'); }

  // Names the next value of an object.
  JsonWriter& key(std::string_view name);

  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(double number);
  JsonWriter& value(std::same_as<bool> auto truth) { return word(truth ? "true" : "false"); }
  template <std::integral T>
  requires(!std::same_as<T, bool>) JsonWriter& value(T number) {
    return word(std::to_string(number));
  }
  JsonWriter& null() { return word("null"); }

  // Returns the document, with a newline at its end. Throws std::logic_error if it is not complete.
  std::string text() const;

 private:
  struct Level {
    char closing;
    bool empty = true;
  };

  JsonWriter& begin(char opening);
  JsonWriter& end(char closing);
  JsonWriter& word(std::string_view text);
  void before_value();
  void separate();
  void write_string(std::string_view text);

  std::string text_;
  std::vector<Level> levels_;
  bool key_pending_ = false;
};

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_JSON_WRITER_H_
