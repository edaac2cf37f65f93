// SPDX-FileCopyrightText: The zmqloop authors
// SPDX-License-Identifier: Apache-2.0

#include "zmqloop/runtime/stalls/stall_watch.h"

#include <algorithm>
#include <exception>
#include <optional>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"

#include "zmqloop/threading/host/error_output.h"
#include "zmqloop/threading/host/exception_text.h"
#include "zmqloop/threading/host/forced_unwind.h"
#include "zmqloop/threading/host/stack_capture.h"
#include "zmqloop/threading/host/type_name.h"

namespace zmqloop {
namespace {

// A thread that is ready to run answers at once, but may have to wait for a core.
constexpr Duration kPatienceWithStack = std::chrono::seconds(1);

}  // namespace

void StallWatch::forget() noexcept {
  probe_.forget();
  stall_.is_open = false;
}

StallWatch::Look StallWatch::look(TimePoint now) noexcept {
  if (stall_.is_open) {
    const std::optional<TimePoint> end = probe_.take_end();
    if (!end) return {Look::Found::kNothing, TimePoint::max()};  // its end will wake us [P2]
    stall_.is_open = false;
    report_.blocked_for = *end - stall_.start;
    report_.ended = true;
    report_.suppressed = 0;
    return {Look::Found::kEnded, {}};
  }
  const StallProbe::View view = probe_.look();
  if (view.runs()) return look_at_running(view, now);
  const bool is_idle = std::exchange(last_start_, view.start()) == view.start();
  if (is_idle && probe_.try_park(view)) return {Look::Found::kNothing, TimePoint::max()};
  const Duration interval = std::max(settings_->threshold, kShortestInterval);
  return {Look::Found::kNothing, saturating_add(now, interval)};
}

StallWatch::Look StallWatch::look_at_running(StallProbe::View view, TimePoint now) noexcept {
  const Duration interval = std::max(settings_->threshold, kShortestInterval);
  const TimePoint due = saturating_add(view.start(), settings_->threshold);
  if (now < due) return {Look::Found::kNothing, std::max(due, now + kShortestInterval)};

  const Look later = {Look::Found::kNothing, saturating_add(now, interval)};
  if (!limit_.has_room(now)) {
    if (std::exchange(passed_over_, view.start()) != view.start()) limit_.suppress();
    return later;
  }
  if (passed_over_ == view.start()) return later;  // counted as not reported: it stays so
  const std::type_info* const callable = probe_.type();
  if (!probe_.try_claim(view)) return later;  // it has just ended [P1]
  stall_ = {true, view.start(), callable};
  report_.blocked_for = now - view.start();
  report_.ended = false;
  report_.suppressed = limit_.use(now);
  return {Look::Found::kBegun, {}};
}

void StallWatch::report_begin() {
  report_.loop_name = loop_name_;
  report_.thread_id = probe_.thread();
  report_.callable = type_name(stall_.callable);
  const stack_capture::Taken taken = stack_capture::take(report_.thread_id, kPatienceWithStack);
  if (!probe_.still_runs(stall_.start)) {
    report_.stack = StackTrace("it returned before its stack was taken");
  } else if (taken.addresses.empty()) {
    report_.stack = StackTrace(taken.failure);
  } else {
    report_.stack = StackTrace(std::span(taken.addresses));
  }
}

void StallWatch::call_action() {
  const std::shared_ptr<const Settings> settings = settings_;
  settings->action(report_);
}

// A cancelled thread unwinds without an exception object, which UBSan takes for a null reference at
// the catch.
__attribute__((no_sanitize("null"))) void StallWatch::deliver(Look::Found found) {
  try {
    if (found == Look::Found::kBegun) report_begin();
    call_action();
  } catch (const ForcedUnwind&) {
    throw;
  } catch (...) {
    say_why_not_delivered(std::current_exception());
  }
}

void StallWatch::say_why_not_delivered(std::exception_ptr error) const noexcept {
  try {
    write_error(absl::StrCat("zmqloop: loop '", loop_name_, "': exception in reporting a stall: ",
                             exception_text(std::move(error)), "\n"));
  } catch (const std::exception&) {
    write_error("zmqloop: exception in reporting a stall\n");  // out of memory
  }
}

}  // namespace zmqloop
