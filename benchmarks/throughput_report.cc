// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/throughput_report.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <limits>
#include <string_view>

#include "benchmarks/json_writer.h"

namespace zmqloop::bench {
namespace {

constexpr std::string_view kVersion = "0.1.0";
constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

// ---- numbers ----

struct Summary {
  double median = kNothing;
  double smallest = kNothing;
  double largest = kNothing;
};

Summary summarize(std::vector<double> values) {
  std::erase_if(values, [](double value) { return std::isnan(value); });
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  const double median =
      values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {.median = median, .smallest = values.front(), .largest = values.back()};
}

std::vector<double> values_of(const ScenarioResult& result, double Sample::*field) {
  std::vector<double> values;
  for (const Sample& sample : result.samples) values.push_back(sample.*field);
  return values;
}

double median_of(const ScenarioResult& result, double Sample::*field) {
  return summarize(values_of(result, field)).median;
}

const ScenarioResult* floor_of(const ThroughputResult& result, const Scenario& scenario) {
  const auto found = std::find_if(
      result.scenarios.begin(), result.scenarios.end(),
      [&scenario](const ScenarioResult& other) { return other.scenario->name == scenario.floor; });
  return found == result.scenarios.end() ? nullptr : &*found;
}

// ---- text ----

struct Unit {
  double size;
  const char* name;
};

// Returns three significant digits, in the largest unit in which the number is at least 1.
std::string with_unit(double value, std::span<const Unit> units) {
  if (std::isnan(value)) return "-";
  const Unit* unit = &units.back();
  for (const Unit& candidate : units) {
    if (value >= 0.9995 * candidate.size) {
      unit = &candidate;
      break;
    }
  }
  const double scaled = value / unit->size;
  const int decimals = scaled < 9.995 ? 2 : scaled < 99.95 ? 1 : 0;
  char text[48];
  std::snprintf(text, sizeof(text), "%.*f %s", decimals, scaled, unit->name);
  return text;
}

std::string rate(double per_second) {
  static constexpr Unit kUnits[] = {{1e9, "G/s"}, {1e6, "M/s"}, {1e3, "k/s"}, {1, "/s"}};
  return with_unit(per_second, kUnits);
}

std::string time(double nanoseconds) {
  static constexpr Unit kUnits[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}, {1, "ns"}};
  return with_unit(nanoseconds, kUnits);
}

std::string ratio(double value) {
  if (std::isnan(value)) return "-";
  char text[32];
  std::snprintf(text, sizeof(text), value < 9.995 ? "%.2f" : "%.1f", value);
  return text;
}

std::string row(const ThroughputResult& result, const ScenarioResult& scenario) {
  const Summary posts = summarize(values_of(scenario, &Sample::posts_per_second));
  const Scenario& asked = *scenario.scenario;
  std::string of_floor;
  if (!asked.is_floor()) {
    of_floor = ratio(summarize(ratios_to_floor(result, scenario)).median) + " x " +
               std::string(asked.floor) +
               (asked.compared == Scenario::Compared::kMedianHop ? ", hop p50" : ", posts/s");
  }
  char text[256];
  std::snprintf(text, sizeof(text), "%-18.*s %9s  %9s - %-9s  %8s  %8s %8s %8s  %s",
                static_cast<int>(asked.name.size()), asked.name.data(), rate(posts.median).c_str(),
                rate(posts.smallest).c_str(), rate(posts.largest).c_str(),
                time(median_of(scenario, &Sample::cpu_ns_per_post)).c_str(),
                time(median_of(scenario, &Sample::hop_p50_ns)).c_str(),
                time(median_of(scenario, &Sample::hop_p99_ns)).c_str(),
                time(median_of(scenario, &Sample::hop_p999_ns)).c_str(), of_floor.c_str());
  std::string line = text;
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

// Returns whether a scenario came out better than its floor. If so, threads waited for a core, not
// for each other.
bool beats_its_floor(const ThroughputResult& result, const ScenarioResult& scenario) {
  const double ratio = summarize(ratios_to_floor(result, scenario)).median;
  return scenario.scenario->compared == Scenario::Compared::kMedianHop ? ratio < 1 : ratio > 1;
}

std::size_t rounds_done(const ThroughputResult& result) {
  std::size_t most = 0;
  for (const ScenarioResult& scenario : result.scenarios) {
    most = std::max(most, scenario.samples.size());
  }
  return most;
}

// ---- JSON ----

void write_numbers(JsonWriter& json, std::string_view key, const std::vector<double>& samples) {
  const Summary summary = summarize(samples);
  json.key(key).begin_object();
  json.key("median").value(summary.median);
  json.key("min").value(summary.smallest);
  json.key("max").value(summary.largest);
  json.key("samples").begin_array();
  for (const double sample : samples) json.value(sample);
  json.end_array().end_object();
}

void write_scenario(JsonWriter& json, const ThroughputResult& result,
                    const ScenarioResult& scenario) {
  const Scenario& asked = *scenario.scenario;
  json.begin_object();
  json.key("name").value(asked.name);
  json.key("question").value(asked.question);
  json.key("posts_accepted").value(scenario.posts_accepted);
  json.key("posts_run").value(scenario.posts_run);
  json.key("hops_timed").value(scenario.hops_timed);
  write_numbers(json, "posts_per_second", values_of(scenario, &Sample::posts_per_second));
  write_numbers(json, "cpu_ns_per_post", values_of(scenario, &Sample::cpu_ns_per_post));
  write_numbers(json, "hop_p50_ns", values_of(scenario, &Sample::hop_p50_ns));
  write_numbers(json, "hop_p99_ns", values_of(scenario, &Sample::hop_p99_ns));
  write_numbers(json, "hop_p999_ns", values_of(scenario, &Sample::hop_p999_ns));
  if (asked.is_floor()) {
    json.key("floor").null();
  } else {
    const bool hops = asked.compared == Scenario::Compared::kMedianHop;
    json.key("floor").begin_object();
    json.key("name").value(asked.floor);
    json.key("compared").value(hops ? "hop_p50_ns" : "posts_per_second");
    write_numbers(json, "ratio", ratios_to_floor(result, scenario));
    json.end_object();
  }
  json.end_object();
}

void write_options(JsonWriter& json, const ThroughputFlags& flags) {
  json.begin_object();
  json.key("loops").value(flags.loops);
  json.key("producers").value(flags.producers);
  json.key("seconds").value(flags.seconds);
  json.key("pin").value(flags.pin);
  json.key("idle_spin_us");
  if (flags.idle_spin) {
    json.value(std::chrono::duration<double, std::micro>(*flags.idle_spin).count());
  } else {
    json.value("adaptive");
  }
  json.end_object();
}

void write_machine(JsonWriter& json, const MachineInfo& machine) {
  json.begin_object();
  json.key("cpu_model").value(machine.cpu_model);
  json.key("usable_cores").value(machine.usable_cores);
  json.key("kernel").value(machine.kernel);
  json.key("compiler").value(machine.compiler);
  json.key("libzmq").value(machine.libzmq);
  json.end_object();
}

}  // namespace

std::vector<double> ratios_to_floor(const ThroughputResult& result,
                                    const ScenarioResult& scenario) {
  const ScenarioResult* const floor = floor_of(result, *scenario.scenario);
  if (floor == nullptr) return {};
  const auto field = scenario.scenario->compared == Scenario::Compared::kMedianHop
                         ? &Sample::hop_p50_ns
                         : &Sample::posts_per_second;
  std::vector<double> ratios;
  const std::size_t rounds = std::min(scenario.samples.size(), floor->samples.size());
  for (std::size_t i = 0; i < rounds; ++i) {
    ratios.push_back(scenario.samples[i].*field / floor->samples[i].*field);
  }
  return ratios;
}

std::string format_table(const ThroughputResult& result, const MachineInfo& machine) {
  char line[256];
  std::snprintf(line, sizeof(line), "%-18s %9s  %21s  %8s  %8s %8s %8s  %s\n", "scenario",
                "posts/s", "lowest - highest     ", "CPU/post", "hop p50", "p99", "p99.9",
                "of floor");
  std::string table = line;
  for (const ScenarioResult& scenario : result.scenarios) table += row(result, scenario);

  const double run_ms = std::chrono::duration<double, std::milli>(result.run_length).count();
  std::snprintf(line, sizeof(line), "%zu of %zu interleaved rounds, %.3g ms per scenario and round",
                rounds_done(result), result.rounds, run_ms);
  table += "\nMedians of " + std::string(line);
  if (result.interrupted) table += "; interrupted";
  table += ". " + machine.cpu_model + ", " + std::to_string(machine.usable_cores) +
           " usable cores, " + machine.kernel + ".\n";
  table +=
      "A hop is from post to run: when posts come faster than they run, mostly waiting in line.\n"
      "CPU/post is the time of all threads. Every post accepted was run, once and in order.\n";
  const bool contended = std::any_of(
      result.scenarios.begin(), result.scenarios.end(),
      [&result](const ScenarioResult& scenario) { return beats_its_floor(result, scenario); });
  if (contended) {
    table +=
        "Something above beats its own floor: other work shares the cores, and rates and hops say "
        "little.\nMeasure again on a quiet machine.\n";
  }
  return table;
}

std::string format_json(const ThroughputResult& result, const MachineInfo& machine,
                        const ThroughputFlags& flags, std::span<const char* const> command) {
  JsonWriter json;
  json.begin_object();
  json.key("benchmark").value("throughput");
  json.key("version").value(kVersion);
  json.key("command").begin_array();
  for (const char* const argument : command) json.value(argument);
  json.end_array();
  json.key("machine");
  write_machine(json, machine);
  json.key("options");
  write_options(json, flags);
  json.key("rounds_planned").value(result.rounds);
  json.key("run_seconds").value(std::chrono::duration<double>(result.run_length).count());
  json.key("interrupted").value(result.interrupted);
  json.key("scenarios").begin_array();
  for (const ScenarioResult& scenario : result.scenarios) write_scenario(json, result, scenario);
  json.end_array().end_object();
  return json.text();
}

std::string format_scenario_list() {
  std::string list;
  for (const Scenario& scenario : all_scenarios()) {
    char name[32];
    std::snprintf(name, sizeof(name), "%-18.*s ", static_cast<int>(scenario.name.size()),
                  scenario.name.data());
    list.append(name).append(scenario.question).append("\n");
  }
  return list;
}

}  // namespace zmqloop::bench
