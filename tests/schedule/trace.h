// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Keeps the latest steps of a schedule, and prints them if it fails.
//
//   72 A        fetch_add         #1               0x20 -> 0x28  control_word.h:53
//   ControlWord::take_ticket
//
// Objects that are not on the heap are numbered in order of appearance.

#ifndef ZMQLOOP_TESTS_SCHEDULE_TRACE_H_
#define ZMQLOOP_TESTS_SCHEDULE_TRACE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <source_location>
#include <string>
#include <vector>

#include "tests/schedule/atom_history.h"

namespace zmqloop::schedule {

// The place of an operation in the library's code.
using Where = std::source_location;

// Returns the last part of the path.
const char* file_name(const Where& where);
// Returns class and name: "ControlWord::take_ticket".
std::string function_name(const Where& where);

struct Step {
  const char* thread = "";
  const char* operation = "";
  const void* object = nullptr;
  Bits before = 0;
  Bits after = 0;
  bool has_values = false;
  Where where = {};
};

class Trace {
 public:
  // Prints each step to `file` as it is made; null turns this off.
  void echo_to(std::FILE* file) { echo_ = file; }

  void clear();
  void add(const Step& step);

  // Prints the latest steps, oldest first.
  void print(std::FILE* to);

 private:
  static constexpr std::size_t kKept = 64;

  void print_step(std::FILE* to, std::size_t number);
  std::string describe(const void* object);

  std::array<Step, kKept> kept_;
  std::size_t steps_ = 0;
  std::FILE* echo_ = nullptr;
  std::vector<const void*> objects_;
};

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_TRACE_H_
