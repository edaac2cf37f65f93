// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/schedule/program_address.h"

#include <cstdint>
#include <cstdio>
#include <dlfcn.h>

#include "tests/schedule/heap.h"

namespace zmqloop::schedule {
namespace {

std::string hex(std::uintptr_t number) {
  char text[32];
  std::snprintf(text, sizeof(text), "%#llx", static_cast<unsigned long long>(number));
  return text;
}

// Runs a command and returns its output on one line.
std::string output_of(const std::string& command) {
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return "";
  std::string output;
  for (int c; (c = std::fgetc(pipe)) != EOF;) {
    if (c == '\n') {
      output += "; ";
    } else {
      output += static_cast<char>(c);
    }
  }
  ::pclose(pipe);
  return output;
}

}  // namespace

std::string describe_code(const void* code) {
  Dl_info info;
  if (code == nullptr || ::dladdr(code, &info) == 0) return "an unknown place";
  // `code` is a return address, which belongs to the next instruction.
  const std::uintptr_t offset =
      reinterpret_cast<std::uintptr_t>(code) - 1 - reinterpret_cast<std::uintptr_t>(info.dli_fbase);
  const std::string found = output_of("addr2line -Cfpi -e " + std::string(info.dli_fname) + " " +
                                      hex(offset) + " 2>/dev/null");
  return found.empty() ? std::string(info.dli_fname) + " + " + hex(offset) : found;
}

std::string describe_object(const void* object) {
  const std::ptrdiff_t offset = Heap::offset_of(object);
  if (offset < 0) return "address " + hex(reinterpret_cast<std::uintptr_t>(object));
  return "heap+" + hex(static_cast<std::uintptr_t>(offset));
}

}  // namespace zmqloop::schedule
