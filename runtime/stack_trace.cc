#include "zmqloop/runtime/stack_trace.h"

#include <string_view>
#include <utility>

#include "absl/debugging/symbolize.h"
#include "absl/strings/str_cat.h"

#include "zmqloop/runtime/type_name.h"

namespace zmqloop {
namespace {

std::string function_at(std::uintptr_t address) {
  char name[1024];
  if (!absl::Symbolize(reinterpret_cast<const void*>(address), name, sizeof name)) return {};
  // Abseil leaves alone what its own demangler cannot read. (Of "f", the other makes "float".)
  return std::string_view(name).starts_with("_Z") ? demangled(name) : name;
}

}  // namespace

StackTrace::StackTrace(std::string why_empty) : why_empty_(std::move(why_empty)) {}

StackTrace::StackTrace(std::span<const std::uintptr_t> addresses) {
  frames_.reserve(addresses.size());
  for (const std::uintptr_t address : addresses) frames_.push_back({address, function_at(address)});
  if (frames_.empty()) why_empty_ = "the stack has no frames";
}

std::string StackTrace::text() const {
  if (empty()) return absl::StrCat("    no stack: ", why_empty_, "\n");
  std::string text;
  for (std::size_t i = 0; i < size(); ++i) {
    const Frame& frame = frames_[i];
    absl::StrAppend(&text, "    #", absl::Dec(i, absl::kZeroPad2), " 0x",
                    absl::Hex(frame.address, absl::kZeroPad12), " ",
                    frame.function.empty() ? "(unknown function)" : frame.function, "\n");
  }
  return text;
}

}  // namespace zmqloop
