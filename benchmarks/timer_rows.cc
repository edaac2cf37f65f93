// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/timer_rows.h"

#include <random>

namespace zmqloop::bench {

std::vector<std::chrono::milliseconds> random_delays(std::size_t count,
                                                     std::chrono::milliseconds longest) {
  std::mt19937 random;  // the same seed for all
  std::uniform_int_distribution<std::int64_t> distribution(1, longest.count());
  std::vector<std::chrono::milliseconds> delays(count);
  for (std::chrono::milliseconds& delay : delays) {
    delay = std::chrono::milliseconds(distribution(random));
  }
  return delays;
}

}  // namespace zmqloop::bench
