// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// The scenarios of the throughput benchmark, each with the floor that it is compared with.
//
// Threads: constant.
// Errors: start() passes on exceptions of the workload's constructor.
// Internal.

#ifndef ZMQLOOP_BENCHMARKS_THROUGHPUT_SCENARIOS_H_
#define ZMQLOOP_BENCHMARKS_THROUGHPUT_SCENARIOS_H_

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "benchmarks/workload.h"

namespace zmqloop::bench {

struct Scenario {
  // The quantity that is compared with the floor.
  enum class Compared { kPostsPerSecond, kMedianHop };

  std::string_view name;
  std::string_view question;
  std::string_view floor;  // name of another scenario; if empty, this is a floor
  Compared compared;
  std::unique_ptr<Workload> (*start)(const WorkloadOptions& options);

  bool is_floor() const { return floor.empty(); }
};

// Returns all scenarios, floors first.
std::span<const Scenario> all_scenarios();

// Returns the scenario of that name, or null.
const Scenario* find_scenario(std::string_view name);

// Returns the scenarios with these names and the floors they need, in the order of all_scenarios();
// all scenarios if no name is given. Unknown names select nothing.
std::vector<const Scenario*> select_scenarios(std::span<const std::string> names);

}  // namespace zmqloop::bench

#endif  // ZMQLOOP_BENCHMARKS_THROUGHPUT_SCENARIOS_H_
