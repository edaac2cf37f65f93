// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The stack of a thread at one moment, innermost function first, as addresses and names.
//
//   for (const StackTrace::Frame& frame : report.stack) std::puts(frame.function.c_str());
//   std::fputs(report.stack.text().c_str(), stderr);
//
// Names come from the symbol tables of the program and its libraries: functions of a stripped
// program and inlined functions have none. A child that is forked during a lookup finds no names at
// all.
//
// Threads: a value.
// Errors: std::bad_alloc.
// Public.

#ifndef ZMQLOOP_THREADING_HOST_STACK_TRACE_H_
#define ZMQLOOP_THREADING_HOST_STACK_TRACE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "zmqloop/threading/host/export.h"

namespace zmqloop {

class StackTrace {
 public:
  struct Frame {
    std::uintptr_t address =
        0;                 // of the instruction that runs, or of the call that has not returned
    std::string function;  // its demangled name; empty if it is not known
  };

  // Makes an empty stack, and gives the reason.
  ZMQLOOP_EXPORT explicit StackTrace(std::string why_empty = "none was taken");
  // Makes the stack of these addresses, and looks up the names of their functions.
  ZMQLOOP_EXPORT explicit StackTrace(std::span<const std::uintptr_t> addresses);

  auto begin() const noexcept { return frames_.begin(); }
  auto end() const noexcept { return frames_.end(); }
  std::size_t size() const noexcept { return frames_.size(); }
  bool empty() const noexcept { return frames_.empty(); }
  const Frame& operator[](std::size_t i) const { return frames_[i]; }

  // Returns the reason why there are no frames; empty if there are some.
  const std::string& why_empty() const noexcept { return why_empty_; }

  // Returns an indented line for each frame, or one line that says why there is none.
  ZMQLOOP_EXPORT std::string text() const;

 private:
  std::vector<Frame> frames_;
  std::string why_empty_;
};

}  // namespace zmqloop

#endif  // ZMQLOOP_THREADING_HOST_STACK_TRACE_H_
