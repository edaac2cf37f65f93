// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Runs each scenario of the benchmark for a moment. Tests that every accepted post is run and that
// the measurements are reported. Asserts no times.

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "benchmarks/machine_info.h"
#include "benchmarks/progress_line.h"
#include "benchmarks/throughput_flags.h"
#include "benchmarks/throughput_report.h"
#include "benchmarks/throughput_runner.h"
#include "benchmarks/throughput_scenarios.h"
#include <gtest/gtest.h>

#include "zmqloop/threading/host/usable_cores.h"

namespace zmqloop::bench {
namespace {

using std::chrono::milliseconds;

constexpr Duration kMoment = milliseconds(100);

ThroughputResult run(const std::vector<const Scenario*>& scenarios,
                     const WorkloadOptions& options = {}, bool interrupted_before = false) {
  const std::atomic<bool> interrupted{interrupted_before};
  ProgressLine progress(nullptr);
  return ThroughputRunner(options, interrupted, progress).run(scenarios, kMoment);
}

std::vector<std::string_view> names_of(const std::vector<const Scenario*>& scenarios) {
  std::vector<std::string_view> names;
  for (const Scenario* const scenario : scenarios) names.push_back(scenario->name);
  return names;
}

// ---- the scenarios ----

class EveryScenario : public testing::TestWithParam<const Scenario*> {
 protected:
  static Tally tally(const WorkloadOptions& options) {
    const std::unique_ptr<Workload> workload = GetParam()->start(options);
    while (workload->posts_run() < 1000) std::this_thread::yield();
    return workload->finish();
  }
  static void expect_agreement(const Tally& tally) {
    EXPECT_GE(tally.run, 1000U);
    EXPECT_EQ(tally.accepted, tally.run);
    EXPECT_EQ(tally.refused, 0U);
    EXPECT_EQ(tally.corrupt, 0U);
    EXPECT_TRUE(tally.agrees());
  }
};

TEST_P(EveryScenario, RunsEveryPostItAccepted) { expect_agreement(tally({})); }

TEST_P(EveryScenario, RunsEveryPostWithLoopsThatNeverSpin) {
  expect_agreement(tally({.idle_spin = Duration::zero()}));
}

TEST_P(EveryScenario, RunsEveryPostWithMoreThreadsThanCoresAndPinned) {
  expect_agreement(tally({.loops = 3, .producers = 5, .cpus = usable_cpus()}));
}

TEST_P(EveryScenario, EndsItsThreadsWhenDestroyedUnfinished) {
  const std::unique_ptr<Workload> workload = GetParam()->start({});
  while (workload->posts_run() == 0) std::this_thread::yield();
}

TEST_P(EveryScenario, HasAFloorOrIsOne) {
  const Scenario& scenario = *GetParam();
  if (scenario.is_floor()) return;
  const Scenario* const floor = find_scenario(scenario.floor);
  ASSERT_NE(floor, nullptr);
  EXPECT_TRUE(floor->is_floor());
}

INSTANTIATE_TEST_SUITE_P(Throughput, EveryScenario, testing::ValuesIn(select_scenarios({})),
                         [](const testing::TestParamInfo<const Scenario*>& named) {
                           std::string name;
                           for (const char c : named.param->name) {
                             if (c != '-') name += c;
                           }
                           return name;
                         });

TEST(ThroughputScenarios, TimeTheHopsOfASinglePostWhileAskedTo) {
  for (const char* const name : {"ping-pong", "ping-pong-asleep", "self-post", "floor-spin",
                                 "floor-eventfd", "floor-ring-self"}) {
    const std::unique_ptr<Workload> untimed = find_scenario(name)->start({});
    while (untimed->posts_run() < 1000) std::this_thread::yield();
    EXPECT_EQ(untimed->finish().latency.count(), 0U) << name;

    const std::unique_ptr<Workload> timed = find_scenario(name)->start({});
    timed->sample_latency(true);
    const std::uint64_t before = timed->posts_run();
    while (timed->posts_run() < before + 5000) std::this_thread::yield();
    EXPECT_GT(timed->finish().latency.count(), 0U) << name;
  }
}

TEST(ThroughputScenarios, BringTheirFloors) {
  EXPECT_EQ(names_of(select_scenarios(std::vector<std::string>{"ping-pong", "1to1"})),
            (std::vector<std::string_view>{"floor-ring", "floor-spin", "1to1", "ping-pong"}));
  EXPECT_EQ(names_of(select_scenarios(std::vector<std::string>{"floor-spin"})),
            (std::vector<std::string_view>{"floor-spin"}));
  EXPECT_EQ(select_scenarios({}).size(), all_scenarios().size());
}

// ---- the runner ----

TEST(ThroughputRunner, TakesOneSampleOfEachScenarioInEachRound) {
  const std::vector<const Scenario*> scenarios = select_scenarios({});
  const ThroughputResult result = run(scenarios);
  EXPECT_FALSE(result.interrupted);
  EXPECT_GE(result.rounds, 5U);
  ASSERT_EQ(result.scenarios.size(), scenarios.size());
  std::uint64_t run_in_all = 0;  // a busy machine may run no post in one such short window
  for (const ScenarioResult& scenario : result.scenarios) {
    EXPECT_EQ(scenario.samples.size(), result.rounds) << scenario.scenario->name;
    EXPECT_EQ(scenario.posts_accepted, scenario.posts_run) << scenario.scenario->name;
    run_in_all += scenario.posts_run;
  }
  EXPECT_GT(run_in_all, 0U);
}

TEST(ThroughputRunner, EndsAtOnceWhenInterrupted) {
  const ThroughputResult result = run(select_scenarios({}), {}, true);
  EXPECT_TRUE(result.interrupted);
  for (const ScenarioResult& scenario : result.scenarios) EXPECT_TRUE(scenario.samples.empty());
}

// Claims to have run `run` of 5 posts.
template <int run, int corrupt = 0>
class FakeWorkload : public Workload {
 public:
  std::uint64_t posts_run() const noexcept override { return run; }
  Tally finish() override { return {.accepted = 5, .run = run, .corrupt = corrupt}; }
};

template <class Fake>
constexpr Scenario fake() {
  return {
      "fake", "does it notice?", "", Scenario::Compared::kPostsPerSecond,
      [](const WorkloadOptions&) -> std::unique_ptr<Workload> { return std::make_unique<Fake>(); }};
}

TEST(ThroughputRunner, RefusesCountsThatDisagree) {
  const Scenario lost = fake<FakeWorkload<4>>();
  const Scenario twice = fake<FakeWorkload<6>>();
  const Scenario damaged = fake<FakeWorkload<5, 1>>();
  const Scenario right = fake<FakeWorkload<5>>();
  EXPECT_THROW(run({&lost}), CountError);
  EXPECT_THROW(run({&twice}), CountError);
  EXPECT_THROW(run({&damaged}), CountError);
  EXPECT_NO_THROW(run({&right}));
}

TEST(ThroughputRunner, NamesTheScenarioAndItsCountsWhenTheyDisagree) {
  const Scenario lost = fake<FakeWorkload<4>>();
  try {
    run({&lost});
    ADD_FAILURE() << "accepted";
  } catch (const CountError& error) {
    EXPECT_NE(std::string(error.what()).find("fake: 5 posts accepted, 4 run"), std::string::npos);
  }
}

// ---- the report ----

ThroughputResult known_result() {
  ThroughputResult result;
  result.rounds = 3;
  result.run_length = milliseconds(100);
  result.scenarios.push_back({.scenario = find_scenario("floor-ring"),
                              .samples = {{2e8, 4, 10, 20, 30}, {1e8, 5, 11, 21, 31}}});
  result.scenarios.push_back(
      {.scenario = find_scenario("1to1"),
       .samples = {{1e8, 9, 100, 2000, 3e6}, {2e7, 11, 110, 2100, 3e6}, {NAN, NAN, NAN, NAN, NAN}},
       .posts_accepted = 12,
       .posts_run = 12});
  return result;
}

const MachineInfo kMachine = {.cpu_model = "Some \"CPU\"",
                              .usable_cores = 2,
                              .kernel = "Linux 6",
                              .compiler = "GCC 12",
                              .libzmq = "4.3.4"};

TEST(ThroughputReport, ComparesWithTheFloorRoundByRound) {
  const ThroughputResult result = known_result();
  EXPECT_EQ(ratios_to_floor(result, result.scenarios[1]), (std::vector<double>{0.5, 0.2}));
  EXPECT_TRUE(ratios_to_floor(result, result.scenarios[0]).empty());
}

TEST(ThroughputReport, ShowsMediansRangesAndRatiosInTheTable) {
  const std::string table = format_table(known_result(), kMachine);
  EXPECT_NE(table.find("60.0 M/s"), std::string::npos) << table;  // the median of 100 and 20
  EXPECT_NE(table.find("20.0 M/s - 100 M/s"), std::string::npos) << table;
  EXPECT_NE(table.find("2.05 us"), std::string::npos) << table;
  EXPECT_NE(table.find("3.00 ms"), std::string::npos) << table;
  EXPECT_NE(table.find("0.35 x floor-ring"), std::string::npos) << table;
}

TEST(ThroughputReport, WarnsWhenAScenarioBeatsItsFloor) {
  ThroughputResult result = known_result();
  EXPECT_EQ(format_table(result, kMachine).find("beats its own floor"), std::string::npos);
  for (Sample& sample : result.scenarios[1].samples) sample.posts_per_second = 1e9;
  EXPECT_NE(format_table(result, kMachine).find("beats its own floor"), std::string::npos);
}

TEST(ThroughputReport, ShowsADashForWhatWasNotMeasured) {
  ThroughputResult result = known_result();
  for (ScenarioResult& scenario : result.scenarios) scenario.samples.clear();
  result.interrupted = true;
  const std::string table = format_table(result, kMachine);
  EXPECT_EQ(table.find("nan"), std::string::npos) << table;
  EXPECT_NE(table.find("interrupted"), std::string::npos) << table;
}

TEST(ThroughputReport, WritesAllSamplesAndNoNanAsJson) {
  const char* const command[] = {"throughput", "--json", "a\"b.json"};
  const std::string json =
      format_json(known_result(), kMachine,
                  {.loops = 2, .producers = 2, .idle_spin = milliseconds(1)}, command);
  EXPECT_NE(json.find(R"("Some \"CPU\"")"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("a\"b.json")"), std::string::npos) << json;
  EXPECT_NE(json.find("2e+08"), std::string::npos) << json;
  EXPECT_NE(json.find("null"), std::string::npos) << json;
  EXPECT_NE(json.find("\"idle_spin_us\": 1000"), std::string::npos) << json;
  EXPECT_EQ(json.find("nan"), std::string::npos) << json;
}

TEST(ThroughputReport, ListsEveryScenario) {
  const std::string list = format_scenario_list();
  for (const Scenario& scenario : all_scenarios()) {
    EXPECT_NE(list.find(scenario.name), std::string::npos);
    EXPECT_NE(list.find(scenario.question), std::string::npos);
  }
}

}  // namespace
}  // namespace zmqloop::bench
