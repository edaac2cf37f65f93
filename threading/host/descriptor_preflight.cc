// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/threading/host/descriptor_preflight.h"

#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace zmqloop {
namespace {

// Opens `count` descriptors and closes them again. Returns 0, or the errno of the one that failed.
int try_to_open(int count) {
  std::vector<int> opened;
  opened.reserve(static_cast<std::size_t>(count));
  int error = 0;
  while (error == 0 && opened.size() < static_cast<std::size_t>(count)) {
    // The first cannot be a duplicate: a process may have no open descriptor at all.
    const int fd =
        opened.empty() ? eventfd(0, EFD_CLOEXEC) : fcntl(opened.front(), F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
      error = errno;
    } else {
      opened.push_back(fd);
    }
  }
  for (const int fd : opened) ::close(fd);
  return error;
}

// Raises the soft limit to the hard one. Returns false if it is there already, or on failure.
bool raise_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return false;
  limit.rlim_cur = limit.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

std::string limit_text() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return "unknown";
  return std::to_string(limit.rlim_cur) + ", hard limit " + std::to_string(limit.rlim_max);
}

}  // namespace

void require_free_descriptors(int count, const char* operation, DescriptorLimit limit) {
  int error = try_to_open(count);
  const bool may_raise = error == EMFILE && limit == DescriptorLimit::kRaise;
  if (may_raise && raise_limit()) error = try_to_open(count);
  if (error == 0) return;
  throw std::system_error(error, std::system_category(),
                          std::string(operation) + " needs " + std::to_string(count) +
                              " free file descriptors (RLIMIT_NOFILE is " + limit_text() +
                              "): close some, raise the limit (ulimit -n, or "
                              "LoopOptions::raise_descriptor_limit), or make fewer loops");
}

}  // namespace zmqloop
