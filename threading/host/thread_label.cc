// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/host/thread_label.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace zmqloop {
namespace {

constexpr std::size_t kMostBytes = 15;  // of a thread name; the kernel's TASK_COMM_LEN less the NUL

// Returns where the trailing number of `name` begins, including the separator before it.
std::size_t begin_of_number(std::string_view name) {
  constexpr std::string_view kDigits = "0123456789";
  constexpr std::string_view kSeparators = "-_./:# ";
  const std::size_t last_other = name.find_last_not_of(kDigits);
  if (last_other == std::string_view::npos) return 0;
  const bool has_number = last_other + 1 < name.size();
  const bool separated = kSeparators.find(name[last_other]) != std::string_view::npos;
  return has_number && separated ? last_other : last_other + 1;
}

bool continues_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

}  // namespace

std::string current_thread_label() { return fixed_thread_label().data(); }

ThreadLabel fixed_thread_label() noexcept {
  char name[kMostBytes + 1] = "";
  // Fails only for a buffer that is too small.
  static_cast<void>(::pthread_getname_np(::pthread_self(), name, sizeof(name)));
  ThreadLabel label;
  std::snprintf(label.data(), label.size(), "thread %d (%s)", current_thread_id(), name);
  return label;
}

pid_t current_thread_id() { return static_cast<pid_t>(::syscall(SYS_gettid)); }

std::string shorten_thread_name(std::string_view name) {
  if (name.size() <= kMostBytes) return std::string(name);
  std::string_view number = name.substr(begin_of_number(name));
  // If the number itself is too long, keep its last digits: they differ most.
  if (number.size() > kMostBytes) number.remove_prefix(number.size() - kMostBytes);
  std::size_t kept = kMostBytes - number.size();
  while (kept > 0 && continues_character(name[kept])) --kept;
  return std::string(name.substr(0, kept)).append(number);
}

}  // namespace zmqloop
