// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/host/stack_trace.h"

#include <atomic>
#include <string_view>
#include <utility>

#include "absl/debugging/symbolize.h"
#include "absl/strings/str_cat.h"

#include "zmqloop/threading/host/fork_guard.h"
#include "zmqloop/threading/host/type_name.h"

namespace zmqloop {
namespace {

// Abseil holds a lock while it looks up names. In a child that is forked meanwhile it stays locked:
// that child does without names.
constinit std::atomic<int> lookups{0};  // under way
constinit std::atomic<bool> has_names{true};

[[maybe_unused]] const ForkGuard& after_fork = ForkGuard::for_good([](void*) noexcept {
  if (lookups.exchange(0) != 0) has_names = false;
});

class Lookup {
 public:
  Lookup() noexcept { ++lookups; }
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;
  ~Lookup() { --lookups; }
};

std::string function_at(std::uintptr_t address) {
  char name[1024];
  if (!has_names) return {};
  const Lookup lookup;
  if (!absl::Symbolize(reinterpret_cast<const void*>(address), name, sizeof name)) return {};
  // Abseil leaves names mangled that its own demangler cannot read. (Ours turns "f" into "float".)
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
