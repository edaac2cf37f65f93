#include "benchmarks/team.h"

#include <optional>
#include <string>
#include <utility>

#include "zmqloop/threading/usable_cores.h"

namespace zmqloop::bench {

Team::Team(Options options, std::function<void(std::size_t)> part) : part_(std::move(part)) {
  const std::vector<int> cpus = options.pin ? usable_cpus() : std::vector<int>();
  threads_.reserve(options.size);
  try {
    for (std::size_t i = 0; i < options.size; ++i) {
      std::optional<int> cpu;
      if (options.pin) cpu = cpus[(options.first_cpu + i) % cpus.size()];
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
