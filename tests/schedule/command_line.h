// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Handles the command line of the scheduler's test programs.

#ifndef ZMQLOOP_TESTS_SCHEDULE_COMMAND_LINE_H_
#define ZMQLOOP_TESTS_SCHEDULE_COMMAND_LINE_H_

#include <string>

#include "tests/schedule/arguments.h"
#include "tests/schedule/runner.h"

namespace zmqloop::schedule {

// Defaults: all scenarios, all planted bugs (in a program that has them), the usual seeds.
struct CommandLine : Arguments {
  Seeds seeds;
};

// Prints usage and ends the program if the arguments ask for help or are not understood.
CommandLine parse_command_line(int argc, char** argv);

// Returns the scenario called `name`; ends the program if there is none.
const Scenario& scenario_named(const std::string& name);

// Runs the one schedule given by --seed, in this process; returns the exit status. A failure ends
// the program.
int run_seed(const CommandLine& line);

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_COMMAND_LINE_H_
