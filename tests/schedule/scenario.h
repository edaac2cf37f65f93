// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// A scenario: some threads, what they do to the library's code, and what must hold afterwards, in
// every schedule.
//
//   SCENARIO(two_posters, "M1", "what one thread posts runs in the order of its posts") {
//     Mailbox mailbox(0);
//     Thread a("A", [&] { … });
//     …
//     require(in_order, "A's second post ran before its first");
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
  std::string_view ids;  // what it attacks: invariants of the code, failures (Rel_…) it provokes
  std::string_view promise;
  void (*body)();
};

// Returns all scenarios linked into the program, by name.
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
