// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/descriptor_limit.h"

#include <cstdio>
#include <sys/resource.h>

namespace zmqloop::bench {
namespace {

constexpr std::size_t kOfTheProgram = 200;

}  // namespace

std::size_t raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

bool can_open_descriptors(std::size_t count, const char* for_what) {
  static const std::size_t limit = raise_descriptor_limit();
  if (count + kOfTheProgram <= limit) return true;
  std::fprintf(stderr, "%s left out: needs %zu descriptors, the limit (ulimit -Hn) is %zu\n",
               for_what, count + kOfTheProgram, limit);
  return false;
}

}  // namespace zmqloop::bench
