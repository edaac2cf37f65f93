// The arguments of the scheduler's test programs.

#ifndef ZMQLOOP_TESTS_SCHEDULE_COMMAND_LINE_H_
#define ZMQLOOP_TESTS_SCHEDULE_COMMAND_LINE_H_

#include <optional>
#include <string>

#include "tests/schedule/runner.h"

namespace zmqloop::schedule {

struct CommandLine {
  std::string scenario;  // empty: all
  std::string bug;       // planted; empty: all, or none in a program without
  Seeds seeds;
  bool says_how_many = false;         // schedules
  std::optional<std::uint64_t> seed;  // this one alone
  bool trace = false;
  bool list = false;
};

// Prints usage and ends the program if it asks for that, or cannot be understood.
CommandLine parse_command_line(int argc, char** argv);

// Returns the scenario of that name; ends the program if there is none.
const Scenario& scenario_named(const std::string& name);

// Runs the one schedule that --seed asks for, in this process; returns the exit status. A failure
// ends the program.
int run_seed(const CommandLine& line);

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_COMMAND_LINE_H_
