// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "zmqloop/runtime/loop/io_loop.h"
#include "zmqloop/threading/host/error_output.h"

namespace zmqloop {

// Returns the threshold, or nothing for "never".
std::optional<Duration> IOLoop::checked_threshold(const char* operation,
                                                  const TimeLimit& threshold) const {
  const std::optional<Duration>& limit = threshold.value();
  if (threshold.is_nan() || (limit && *limit <= Duration::zero())) {
    throw std::invalid_argument(
        absl::StrCat(operation, ": the threshold of loop '", name(), "' is ",
                     threshold.is_nan() ? "NaN" : absl::StrCat(limit->count(), " ns"),
                     "; it must be more than zero, or empty to disable"));
  }
  return limit == Duration::max() ? std::nullopt : limit;
}

void IOLoop::set_blocking_signal_threshold(TimeLimit threshold, StallAction action) {
  constexpr const char* kOperation = "IOLoop::set_blocking_signal_threshold";
  const std::optional<Duration> limit = checked_threshold(kOperation, threshold);
  const auto after_close =
      limit ? LoopAffinity::AfterClose::kThrows : LoopAffinity::AfterClose::kNothing;
  const LoopAffinity::Access access(core_->affinity(), kOperation, after_close);
  if (!access.is_granted()) return;
  if (!limit) return core_->stalls().disable();
  require_callable(kOperation, action);
  core_->stalls().enable(name(), *limit, std::move(action));
}

void IOLoop::set_blocking_log_threshold(TimeLimit threshold) {
  set_blocking_signal_threshold(threshold, &IOLoop::log_stack);
}

void IOLoop::log_stack(const StallReport& report) { write_error(report.text()); }

}  // namespace zmqloop
