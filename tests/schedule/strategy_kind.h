// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Names of the ways to choose who runs next; strategy.h has what they do.

#ifndef ZMQLOOP_TESTS_SCHEDULE_STRATEGY_KIND_H_
#define ZMQLOOP_TESTS_SCHEDULE_STRATEGY_KIND_H_

#include <string_view>

namespace zmqloop::schedule {

enum class StrategyKind : unsigned char { kRandom, kPct };

constexpr std::string_view name_of(StrategyKind kind) {
  return kind == StrategyKind::kRandom ? "random" : "pct";
}

}  // namespace zmqloop::schedule

#endif  // ZMQLOOP_TESTS_SCHEDULE_STRATEGY_KIND_H_
