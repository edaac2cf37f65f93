// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Reads decisions from the input of a fuzzer.
//
// Threads: one.
// Errors: none; once the input is used up, every decision is zero.

#ifndef ZMQLOOP_TESTS_FUZZ_FUZZ_INPUT_H_
#define ZMQLOOP_TESTS_FUZZ_FUZZ_INPUT_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace zmqloop::fuzz {

class FuzzInput {
 public:
  explicit FuzzInput(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  bool empty() const { return bytes_.empty(); }
  // Returns a number below `end`; `end` is at most 256.
  unsigned below(unsigned end) {
    if (bytes_.empty()) return 0;
    const std::uint8_t byte = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return byte % end;
  }

 private:
  std::span<const std::uint8_t> bytes_;
};

}  // namespace zmqloop::fuzz

#endif  // ZMQLOOP_TESTS_FUZZ_FUZZ_INPUT_H_
