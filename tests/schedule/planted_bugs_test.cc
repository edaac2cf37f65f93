// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Runs scenarios on copies of the library's files and switches on one planted bug at a time: the
// scenario meant for a bug must find it.
#include "planted_bugs.h"

#include <cstdio>
#include <string>

#include "tests/schedule/command_line.h"
#include "tests/schedule/runner.h"
#include "tests/schedule/scenario.h"

namespace zmqloop::schedule {

constinit Bug planted_bug = Bug::kNone;

namespace {

void list() {
  for (const PlantedBug& bug : kPlantedBugs) {
    std::printf("%-26s %s; found by %s\n", bug.name, bug.what, bug.scenario);
  }
}

// Returns the report's first line without the scenario's name.
std::string first_line(const std::string& report) {
  const std::size_t start = report.find(": ") + 2;
  return report.substr(start, report.find('\n') - start);
}

bool finds(const PlantedBug& bug, const Seeds& seeds, bool prints_report) {
  const Scenario& scenario = scenario_named(bug.scenario);
  const Outcome outcome = run_seeds(scenario, seeds);
  if (outcome.failure.empty()) {
    std::printf("%-26s NOT FOUND by %s in %llu schedules: %s\n", bug.name, bug.scenario,
                static_cast<unsigned long long>(outcome.schedules), bug.what);
    return false;
  }
  const std::uint64_t seed = seeds.first + outcome.schedules - 1;
  std::printf("%-26s seed %-6llu %s, %s: %s\n", bug.name, static_cast<unsigned long long>(seed),
              name_of(strategy_of(seeds, seed)).data(), bug.scenario,
              first_line(outcome.failure).c_str());
  if (prints_report) std::fputs(outcome.failure.c_str(), stdout);
  return true;
}

int run_all(const CommandLine& line) {
  int looked_for = 0;
  int found = 0;
  for (const PlantedBug& bug : kPlantedBugs) {
    if (!line.bug.empty() && line.bug != bug.name) continue;
    planted_bug = bug.bug;
    ++looked_for;
    found += finds(bug, line.seeds, !line.bug.empty()) ? 1 : 0;
  }
  std::printf("%d of %d planted bugs found\n", found, looked_for);
  return found == looked_for && found != 0 ? 0 : 1;
}

int run(const CommandLine& line) {
  if (line.list) {
    list();
    return 0;
  }
  if (!line.seed) return run_all(line);
  for (const PlantedBug& bug : kPlantedBugs) {
    if (line.bug == bug.name) planted_bug = bug.bug;
  }
  return run_seed(line);
}

}  // namespace
}  // namespace zmqloop::schedule

int main(int argc, char** argv) {
  return zmqloop::schedule::run(zmqloop::schedule::parse_command_line(argc, argv));
}
