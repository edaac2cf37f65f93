// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/schedule/runner.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sys/mman.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include "tests/schedule/failure.h"
#include "tests/schedule/scheduler.h"

namespace zmqloop::schedule {
namespace {

// The running schedule, and the file for its failure report; for fail().
struct Running {
  const Scenario* scenario = nullptr;
  Scheduler* scheduler = nullptr;
  StrategyKind strategy = StrategyKind::kRandom;
  std::uint64_t seed = 0;
  std::FILE* report = nullptr;
};
constinit Running now_running;

// Written by the child, read by the parent after the child has ended.
struct Progress {
  std::uint64_t schedules;
  std::uint64_t steps;
};

class SharedProgress {
 public:
  SharedProgress() {
    void* const memory = ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
    progress_ = static_cast<Progress*>(memory);
  }
  SharedProgress(const SharedProgress&) = delete;
  SharedProgress& operator=(const SharedProgress&) = delete;
  ~SharedProgress() { ::munmap(progress_, sizeof(Progress)); }
  Progress& operator*() const { return *progress_; }

 private:
  Progress* progress_;
};

std::vector<Scenario>& registered() {
  static std::vector<Scenario> list;
  return list;
}

std::size_t run(Scheduler& scheduler, const Scenario& scenario, StrategyKind strategy,
                std::uint64_t seed, std::FILE* report) {
  now_running = {&scenario, &scheduler, strategy, seed, report};
  return scheduler.run(scenario.body, strategy, seed);
}

void run_all(const Scenario& scenario, const Seeds& seeds, Progress& progress, std::FILE* report) {
  Scheduler scheduler;
  if (seeds.broken) scheduler.break_at(*seeds.broken, seeds.fault);
  for (std::uint64_t i = 0; i < seeds.count; ++i) {
    progress.schedules = i + 1;
    const std::uint64_t seed = seeds.first + i;
    progress.steps += run(scheduler, scenario, strategy_of(seeds, seed), seed, report);
  }
}

std::string read_all(int fd) {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t got = ::read(fd, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return status;
}

}  // namespace

void fail(std::string_view what) {
  const Inside inside;
  const Running& now = now_running;
  std::fprintf(now.report, "%s: %.*s\n", now.scenario->name.data(), static_cast<int>(what.size()),
               what.data());
  now.scheduler->report(now.report);
  std::fprintf(now.report, "replay: %s\n",
               replay_arguments(*now.scenario, now.strategy, now.seed).c_str());
  std::fflush(now.report);
  ::_exit(1);
}

const std::vector<Scenario>& scenarios() {
  static const bool sorted = [] {
    std::sort(registered().begin(), registered().end(),
              [](const Scenario& a, const Scenario& b) { return a.name < b.name; });
    return true;
  }();
  static_cast<void>(sorted);
  return registered();
}

RegisterScenario::RegisterScenario(const Scenario& scenario) { registered().push_back(scenario); }

StrategyKind strategy_of(const Seeds& seeds, std::uint64_t seed) {
  return seeds.strategy.value_or(seed % 2 == 1 ? StrategyKind::kRandom : StrategyKind::kPct);
}

std::string replay_arguments(const Scenario& scenario, StrategyKind strategy, std::uint64_t seed) {
  return "--scenario=" + std::string(scenario.name) +
         " --strategy=" + std::string(name_of(strategy)) + " --seed=" + std::to_string(seed) +
         " --trace";
}

Outcome run_seeds(const Scenario& scenario, const Seeds& seeds) {
  const SharedProgress progress;
  int ends[2];
  if (::pipe(ends) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (child == 0) {
    ::close(ends[0]);
    run_all(scenario, seeds, *progress, ::fdopen(ends[1], "w"));
    std::exit(0);  // not _exit(), which would skip the leak check
  }
  ::close(ends[1]);
  Outcome outcome;
  outcome.failure = read_all(ends[0]);
  ::close(ends[0]);
  const int status = wait_for(child);
  outcome.schedules = (*progress).schedules;
  outcome.steps = (*progress).steps;
  if (status != 0 && outcome.failure.empty()) {
    const std::uint64_t seed = seeds.first + outcome.schedules - 1;
    outcome.failure =
        std::string(scenario.name) + ": the process " +
        (WIFSIGNALED(status) ? "crashed: " + std::string(::strsignal(WTERMSIG(status)))
                             : "exited with " + std::to_string(WEXITSTATUS(status))) +
        "\nreplay: " + replay_arguments(scenario, strategy_of(seeds, seed), seed) + "\n";
  }
  return outcome;
}

std::vector<AtomSite> atom_sites(const Scenario& scenario, const Seeds& seeds) {
  Scheduler scheduler;
  scheduler.keep_sites();
  for (std::uint64_t seed = seeds.first; seed < seeds.first + seeds.count; ++seed) {
    run(scheduler, scenario, strategy_of(seeds, seed), seed, stdout);
  }
  return scheduler.sites();
}

void run_one(const Scenario& scenario, StrategyKind strategy, std::uint64_t seed, bool trace) {
  Scheduler scheduler;
  if (trace) {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);  // line by line, so that a crash loses no step
    scheduler.trace_to(stdout);
  }
  run(scheduler, scenario, strategy, seed, stdout);
}

}  // namespace zmqloop::schedule
