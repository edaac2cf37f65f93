// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/stalls/stall_report.h"

#include <chrono>
#include <cstdio>

#include "absl/strings/str_cat.h"

namespace zmqloop {
namespace {

std::string in_milliseconds(Duration duration) {
  char text[64];
  const double count = std::chrono::duration<double, std::milli>(duration).count();
  std::snprintf(text, sizeof text, "%.1f ms", count);
  return text;
}

}  // namespace

std::string StallReport::text() const {
  std::string text = absl::StrCat("zmqloop: loop '", loop_name, "' (thread ", thread_id, ") ",
                                  ended ? "was blocked for " : "has been blocked for ",
                                  in_milliseconds(blocked_for), " by ", callable, "\n");
  if (ended) return text;
  if (suppressed != 0) {
    absl::StrAppend(&text, "    stalls not reported before this one: ", suppressed, "\n");
  }
  return text + stack.text();
}

}  // namespace zmqloop
