// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/schedule/trace.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "tests/schedule/heap.h"
#include "tests/schedule/program_address.h"

namespace zmqloop::schedule {
namespace {

// Describes a heap pointer by its offset, so that two runs of a seed print the same.
std::string describe_value(Bits value) {
  const auto* const pointer = reinterpret_cast<const void*>(value);
  if (Heap::offset_of(pointer) >= 0) return describe_object(pointer);
  char text[24];
  std::snprintf(text, sizeof(text), "%#llx", static_cast<unsigned long long>(value));
  return text;
}

}  // namespace

const char* file_name(const Where& where) {
  const char* const slash = std::strrchr(where.file_name(), '/');
  return slash == nullptr ? where.file_name() : slash + 1;
}

// "View zmqloop::ControlWord::take_ticket()" -> "ControlWord::take_ticket"
std::string function_name(const Where& where) {
  std::string name = where.function_name();
  name.resize(std::min(name.find('('), name.size()));
  const std::size_t space = name.rfind(' ');
  if (space != std::string::npos) name.erase(0, space + 1);
  constexpr std::string_view kNamespace = "zmqloop::";
  if (name.starts_with(kNamespace)) name.erase(0, kNamespace.size());
  return name;
}

void Trace::clear() {
  steps_ = 0;
  objects_.clear();
}

void Trace::add(const Step& step) {
  kept_[steps_++ % kKept] = step;
  if (echo_ != nullptr) print_step(echo_, steps_ - 1);
}

void Trace::print(std::FILE* to) {
  for (std::size_t i = steps_ - std::min(steps_, kKept); i < steps_; ++i) print_step(to, i);
}

void Trace::print_step(std::FILE* to, std::size_t number) {
  const Step& step = kept_[number % kKept];
  std::fprintf(to, "  %5zu %-8s %-17s %-16s", number + 1, step.thread, step.operation,
               describe(step.object).c_str());
  if (step.has_values) {
    std::fprintf(to, " %s -> %s", describe_value(step.before).c_str(),
                 describe_value(step.after).c_str());
  }
  if (step.where.line() != 0) {
    std::fprintf(to, "  %s:%u %s", file_name(step.where), step.where.line(),
                 function_name(step.where).c_str());
  }
  std::fputc('\n', to);
}

std::string Trace::describe(const void* object) {
  if (Heap::offset_of(object) >= 0) return describe_object(object);
  auto found = std::find(objects_.begin(), objects_.end(), object);
  if (found == objects_.end()) found = objects_.insert(objects_.end(), object);
  return "#" + std::to_string(found - objects_.begin() + 1);
}

}  // namespace zmqloop::schedule
