// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

// Names the strategies that choose the next thread to run; see strategy.h.

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
