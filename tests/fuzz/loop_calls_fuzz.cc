// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Fuzzes sequences of calls to a loop, with each of its pollers.

#include <cstddef>
#include <cstdint>

#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/loop_script.h"

#include "zmqloop/poller/poller.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using zmqloop::PollerKind;
  for (const PollerKind poller : {PollerKind::kEpoll, PollerKind::kZmqPoll}) {
    zmqloop::fuzz::LoopScript(poller, zmqloop::fuzz::FuzzInput({data, size})).run();
  }
  return 0;
}
