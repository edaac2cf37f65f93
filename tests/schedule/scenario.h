// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Defines a scenario: threads that call the library's code, and promises that must hold in every
// schedule.
//
//   SCENARIO(one_poster, "M1", "the posts of a thread run in their order") {
//     TestMailbox mailbox(0);
//     Sequence sequence;
//     const Thread a("A", [&] {
//       for (int i = 0; i < 2; ++i) mailbox.post_accepted(sequence.number(i));
//     });
//     mailbox.run_until([&] { return sequence.run() == 2; });
//   }
//
// Threads: the body is the first simulated thread.

#ifndef ZMQLOOP_TESTS_SCHEDULE_SCENARIO_H_
#define ZMQLOOP_TESTS_SCHEDULE_SCENARIO_H_

#include <string_view>
#include <vector>

namespace zmqloop::schedule {

struct Scenario {
  std::string_view name;
  std::string_view ids;  // invariants of the code it attacks, failures (Rel_…) it provokes
  std::string_view promise;
  void (*body)();
};

// Returns all scenarios linked into the program, sorted by name.
const std::vector<Scenario>& scenarios();

struct RegisterScenario {
  explicit RegisterScenario(const Scenario& scenario);
};

}  // namespace zmqloop::schedule

#define SCENARIO(name, ids, promise)                                    \
  static void name##_scenario();                                        \
  static const ::zmqloop::schedule::RegisterScenario name##_registered( \
      {#name, ids, promise, &name##_scenario});                         \
  static void name##_scenario()

#endif  // ZMQLOOP_TESTS_SCHEDULE_SCENARIO_H_
