// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/poller/events.h"

#include <cstdio>

namespace zmqloop {
namespace {

void append(std::string& text, const char* name) {
  if (!text.empty()) text += '|';
  text += name;
}

}  // namespace

std::string to_string(Events events) {
  std::string text;
  if (any(events & Events::kRead)) append(text, "read");
  if (any(events & Events::kWrite)) append(text, "write");
  if (any(events & Events::kError)) append(text, "error");
  const unsigned unknown = static_cast<unsigned>(events) & ~static_cast<unsigned>(kAllEvents);
  if (unknown != 0) {
    char digits[16];
    std::snprintf(digits, sizeof digits, "0x%x", unknown);
    append(text, digits);
  }
  return text.empty() ? "none" : text;
}

}  // namespace zmqloop
