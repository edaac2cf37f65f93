#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

#include "zmqloop/runtime/error_output.h"
#include "zmqloop/runtime/io_loop.h"

namespace zmqloop {

void IOLoop::set_blocking_signal_threshold(TimeLimit threshold, StallAction action) {
  constexpr const char* kOperation = "IOLoop::set_blocking_signal_threshold";
  const std::optional<Duration>& limit = threshold.value();
  if (threshold.is_nan() || (limit && *limit <= Duration::zero())) {
    throw std::invalid_argument(
        absl::StrCat(kOperation, ": the threshold of loop '", name_, "' is ",
                     threshold.is_nan() ? "NaN" : absl::StrCat(limit->count(), " ns"),
                     "; it must be more than zero, or empty to disable"));
  }
  if (!limit || *limit == Duration::max()) {
    require_process(kOperation);
    affinity_.check(kOperation, name_);
    core_->stalls().disable();
    return;
  }
  require_usable(kOperation);
  require_callable(kOperation, action);
  core_->stalls().enable(name_, *limit, std::move(action));
}

void IOLoop::set_blocking_log_threshold(TimeLimit threshold) {
  set_blocking_signal_threshold(threshold, &IOLoop::log_stack);
}

void IOLoop::log_stack(const StallReport& report) { write_error(report.text()); }

}  // namespace zmqloop
