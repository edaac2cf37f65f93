// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/team.h"

#include <optional>
#include <string>
#include <utility>

namespace zmqloop::bench {

Team::Team(std::size_t size, std::vector<int> cpus, std::function<void(std::size_t)> part)
    : part_(std::move(part)) {
  threads_.reserve(size);
  try {
    for (std::size_t i = 0; i < size; ++i) {
      std::optional<int> cpu;
      if (!cpus.empty()) cpu = cpus[i % cpus.size()];
      threads_.push_back(std::make_unique<NamedThread>(
          NamedThread::Options{.name = "post-" + std::to_string(i), .cpu = cpu}, [this, i] {
            go_.WaitForNotification();
            if (!cancelled_) part_(i);
          }));
    }
  } catch (...) {
    cancelled_ = true;
    go_.Notify();
    throw;
  }
  go_.Notify();
}

}  // namespace zmqloop::bench
