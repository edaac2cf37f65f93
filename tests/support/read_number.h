// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Reads numbers in the arguments of test programs.

#ifndef ZMQLOOP_TESTS_SUPPORT_READ_NUMBER_H_
#define ZMQLOOP_TESTS_SUPPORT_READ_NUMBER_H_

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace zmqloop::testing {

// Returns `text` as a whole number; nothing if any of it is not a number, or it is too large.
template <class T>
std::optional<T> read_number(std::string_view text) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace zmqloop::testing

#endif  // ZMQLOOP_TESTS_SUPPORT_READ_NUMBER_H_
