// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/faults/arguments.h"

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tests/support/read_number.h"

namespace zmqloop::faults {
namespace {

// The value of an argument: parts separated by colons.
class Value {
 public:
  explicit Value(std::string_view text) : rest_(text) {}

  std::string_view word() {
    const std::size_t colon = rest_.find(':');
    const std::string_view part = rest_.substr(0, colon);
    rest_ = colon == std::string_view::npos ? "" : rest_.substr(colon + 1);
    is_over_ = colon == std::string_view::npos;
    return part;
  }
  template <class T>
  T number() {
    const std::string_view part = word();
    const std::optional<T> value = testing::read_number<T>(part);
    if (!value || *value < 0) throw std::invalid_argument("no number: " + std::string(part));
    return *value;
  }
  Scarce scarce() {
    const std::string_view part = word();
    if (part == "descriptors") return Scarce::kDescriptors;
    if (part == "threads") return Scarce::kThreads;
    if (part == "kilobytes") return Scarce::kKilobytes;
    throw std::invalid_argument("cannot leave few " + std::string(part));
  }
  void end() const {
    if (!is_over_) throw std::invalid_argument("too much: " + std::string(rest_));
  }

 private:
  std::string_view rest_;
  bool is_over_ = false;
};

void take(Arguments& into, std::string_view word) {
  const std::size_t equals = word.find('=');
  const std::string_view name = word.substr(0, equals);
  Value value(equals == std::string_view::npos ? "" : word.substr(equals + 1));
  // Braces guarantee that the parts are read in order.
  if (name == "--poller") {
    into.poller = parse_poller_kind(value.word());
  } else if (name == "--pad") {
    into.chosen = {value.number<int>(), value.number<long>(), value.number<int>()};
  } else if (name == "--spare") {
    into.spare = Spare{value.number<long>(), value.scarce()};
  } else if (name == "--limit") {
    into.limit = ProcessState{value.number<int>(), value.number<int>()};
  } else {
    throw std::invalid_argument("unknown argument");
  }
  value.end();
}

}  // namespace

Arguments read_arguments(std::span<const char* const> words) {
  Arguments arguments;
  for (const char* const word : words) {
    try {
      take(arguments, word);
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument(std::string(word) + ": " + error.what());
    }
  }
  return arguments;
}

}  // namespace zmqloop::faults
