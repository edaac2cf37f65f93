// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Parses the arguments of loop_life; loop_life.cc explains them.

#ifndef ZMQLOOP_TESTS_FAULTS_ARGUMENTS_H_
#define ZMQLOOP_TESTS_FAULTS_ARGUMENTS_H_

#include <optional>
#include <span>

#include "tests/faults/call_counts.h"
#include "tests/faults/process_state.h"
#include "tests/faults/shortage.h"

#include "zmqloop/poller/poller.h"

namespace zmqloop::faults {

struct Spare {
  long count = 0;
  Scarce of = Scarce::kDescriptors;
};

struct Arguments {
  PollerKind poller = PollerKind::kEpoll;
  ChosenThread chosen;
  std::optional<Spare> spare;
  std::optional<ProcessState> limit;
};

// Throws std::invalid_argument with the word that is not understood.
Arguments read_arguments(std::span<const char* const> words);

}  // namespace zmqloop::faults

#endif  // ZMQLOOP_TESTS_FAULTS_ARGUMENTS_H_
