// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// What a fuzzer makes up, read as decisions.
//
// Threads: one.
// Errors: none: where nothing is left, every decision is zero.

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
  // Returns a number below `end`, which is 256 at most.
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
